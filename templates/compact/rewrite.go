package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// names of templ's code, and of what becomes of it.
const (
	prefix  = "templ_7745c5c3_"
	failed  = prefix + "Err"
	buffer  = prefix + "Buffer"
	out     = "out_"
	runtime = `import templruntime "github.com/a-h/templ/runtime"`
	ours    = "import (\n\t\"context\"\n\n\t\"pilothouse/templates/html\"\n)"
)

// compact gives the compact form of a generated file.
func compact(src []byte) ([]byte, error) {
	if !bytes.Contains(src, []byte(runtime)) {
		return src, nil // it is compact already, or has no template
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "", src, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	r := &rewriter{src: src, base: file.FileStart}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			if err := r.template(f); err != nil {
				return nil, fmt.Errorf("%s: %w", f.Name.Name, err)
			}
		}
	}
	text := r.apply()
	text = strings.Replace(text, runtime, ours, 1)
	text = strings.Replace(text, "var _ = templruntime.GeneratedTemplate", "", 1)
	if !strings.Contains(text, "messages.") {
		text = imported.ReplaceAllString(text, "")
	}
	for _, left := range []string{prefix + "Err", buffer, "templruntime"} {
		if i := strings.Index(text, left); i >= 0 {
			return nil, fmt.Errorf("code of templ that is not known: %s", text[i:min(len(text), i+200)])
		}
	}
	return format.Source([]byte(numbered.ReplaceAllString(text, "var$1")))
}

// imported is the import of what no code has any more.
var imported = regexp.MustCompile(`(?m)^(import |\t)"pilothouse/web/messages"\n`)

// classes are a list of them.
var classes = regexp.MustCompile(`^templ\.CSSClasses\((\w+)\)\.String\(\)$`)

// numbered are templ's variables.
var numbered = regexp.MustCompile(prefix + `Var(\d+)`)

// rewriter collects changes of a source.
type rewriter struct {
	src     []byte
	base    token.Pos
	changes []change
}

type change struct {
	from, to token.Pos
	text     string
}

func (r *rewriter) text(n ast.Node) string {
	return string(r.src[n.Pos()-r.base : n.End()-r.base])
}

func (r *rewriter) replace(from, to token.Pos, text string) {
	r.changes = append(r.changes, change{from, to, text})
}

func (r *rewriter) apply() string {
	slices.SortStableFunc(r.changes, func(a, b change) int { return cmp.Or(int(a.from-b.from), int(a.to-b.to)) })
	var b strings.Builder
	at := r.base
	for _, c := range r.changes {
		b.Write(r.src[at-r.base : c.from-r.base])
		b.WriteString(c.text)
		at = c.to
		for c.text == "" && unicode.IsSpace(rune(r.src[at-r.base])) {
			at++ // what is gone leaves no empty line
		}
	}
	b.Write(r.src[at-r.base:])
	return b.String()
}

// prologue is how many statements a template begins with: its input, a context
// that ended, the buffer and its end, the context's value, the children (two)
// and that those are not for the parts.
const prologue = 8

// template rewrites a function that is one.
func (r *rewriter) template(f *ast.FuncDecl) error {
	if len(f.Body.List) != 1 {
		return nil
	}
	ret, ok := f.Body.List[0].(*ast.ReturnStmt)
	if !ok || len(ret.Results) != 1 {
		return nil
	}
	call, ok := ret.Results[0].(*ast.CallExpr)
	if !ok || r.text(call.Fun) != "templruntime.GeneratedTemplate" {
		return nil
	}
	code := call.Args[0].(*ast.FuncLit)
	list := code.Body.List
	if len(list) < prologue+1 {
		return errors.New("it begins in an unknown way")
	}
	// A function that is inlined is there twice, and its code as well.
	r.replace(f.Type.Func, f.Type.Func, "//go:noinline\n")
	begin := "html.Component(func(ctx context.Context, " + out + " *html.Writer) {\n"
	children := r.text(list[5].(*ast.AssignStmt).Lhs[0])
	if strings.Contains(string(r.src[list[prologue].Pos()-r.base:code.End()-r.base]), children+".Render(") {
		begin += children + " := templ.GetChildren(ctx)\nctx = templ.ClearChildren(ctx)\n"
	}
	r.replace(call.Pos(), list[prologue].Pos(), begin)
	last := list[len(list)-1]
	if r.text(last) != "return nil" {
		return errors.New("it ends in an unknown way")
	}
	r.replace(last.Pos(), last.End(), "")
	return r.block(list[prologue : len(list)-1])
}

// block rewrites statements. HTML waits for the text or the part that follows.
func (r *rewriter) block(list []ast.Stmt) error {
	pending, from := `""`, token.NoPos
	flush := func() {
		if from != token.NoPos {
			r.replace(from, from, out+".Raw("+pending+")\n")
		}
		pending, from = `""`, token.NoPos
	}
	for i := 0; i < len(list); {
		step, n := r.known(list[i:])
		if step == nil {
			flush()
			if err := r.inside(list[i]); err != nil {
				return err
			}
			i++
			continue
		}
		start, end := list[i].Pos(), list[i+n-1].End()
		switch {
		case step.html != "":
			flush()
			pending, from = step.html, start
			r.replace(start, end, "")
		case step.takes:
			r.replace(start, end, step.with(pending))
			pending, from = `""`, token.NoPos
		default:
			flush()
			r.replace(start, end, step.with(""))
		}
		i += n
	}
	flush()
	return nil
}

// step is what known statements become.
type step struct {
	// html is a literal that is written.
	html string
	// with gives the code, takes tells whether HTML before it goes in.
	with  func(html string) string
	takes bool
}

// known recognizes what a list begins with, and tells how many statements that
// is.
func (r *rewriter) known(list []ast.Stmt) (*step, int) {
	if s, n := r.printed(list); s != nil {
		return s, n
	}
	call := r.checked(list)
	if call == nil {
		return nil, 0
	}
	name := r.text(call.Fun)
	switch {
	case name == "templruntime.WriteString":
		return &step{html: r.text(call.Args[2])}, 2
	case name == "templ.RenderAttributes":
		attributes := r.text(call.Args[2])
		return &step{with: func(string) string { return out + ".Attributes(" + attributes + ")" }}, 2
	case name == "templ.RenderCSSItems":
		return &step{with: func(string) string { return "" }}, 2 // there are none
	case strings.HasSuffix(name, ".Render") && len(call.Args) == 2 && r.text(call.Args[1]) == buffer:
		part := r.text(call.Fun.(*ast.SelectorExpr).X)
		return &step{takes: true, with: func(html string) string { return out + ".Part(ctx, " + html + ", " + part + ")" }}, 2
	}
	code := strings.ReplaceAll(r.text(call), buffer, out)
	return &step{with: func(string) string { return out + ".Do(" + code + ")" }}, 2
}

// checked gives the call of "err = call(); if err != nil { return err }".
func (r *rewriter) checked(list []ast.Stmt) *ast.CallExpr {
	if len(list) < 2 || !r.check(list[1]) {
		return nil
	}
	a, ok := list[0].(*ast.AssignStmt)
	if !ok || len(a.Lhs) != 1 || r.text(a.Lhs[0]) != failed {
		return nil
	}
	call, _ := a.Rhs[0].(*ast.CallExpr)
	return call
}

func (r *rewriter) check(s ast.Stmt) bool {
	i, ok := s.(*ast.IfStmt)
	return ok && i.Init == nil && r.text(i.Cond) == failed+" != nil"
}

// printed recognizes a text: its variable, its value, what is when that failed,
// how it is written, and what is when that failed.
func (r *rewriter) printed(list []ast.Stmt) (*step, int) {
	const n = 5
	if len(list) < n || !r.check(list[2]) || !r.check(list[4]) {
		return nil, 0
	}
	value, ok := list[1].(*ast.AssignStmt)
	if _, declared := list[0].(*ast.DeclStmt); !ok || !declared || len(value.Lhs) != 2 {
		return nil, 0
	}
	join, ok := value.Rhs[0].(*ast.CallExpr)
	if !ok || len(join.Args) != 1 {
		return nil, 0
	}
	text := r.text(join.Args[0])
	switch r.text(join.Fun) {
	case "templ.JoinStringErrs":
		if t, ok := join.Args[0].(*ast.CallExpr); ok && r.text(t.Fun) == "messages.T" && len(t.Args) == 2 {
			message := r.text(t.Args[1])
			return &step{takes: true, with: func(html string) string { return out + ".Say(ctx, " + html + ", " + message + ")" }}, n
		}
		if m := classes.FindStringSubmatch(text); m != nil {
			text = "html.Classes(" + m[1] + ")"
		}
	case "templ.JoinURLErrs":
		address, ok := join.Args[0].(*ast.CallExpr)
		if ok && r.text(address.Fun) == "templ.SafeURL" {
			text = r.text(address.Args[0])
		} else {
			text = "string(templ.URL(" + text + "))"
		}
	default:
		return nil, 0
	}
	return &step{takes: true, with: func(html string) string { return out + ".Text(" + html + ", " + text + ")" }}, n
}

// inside rewrites the blocks of a statement.
func (r *rewriter) inside(s ast.Stmt) error {
	switch s := s.(type) {
	case *ast.IfStmt:
		if err := r.block(s.Body.List); err != nil || s.Else == nil {
			return err
		}
		return r.inside(s.Else)
	case *ast.BlockStmt:
		return r.block(s.List)
	case *ast.ForStmt:
		return r.block(s.Body.List)
	case *ast.RangeStmt:
		return r.block(s.Body.List)
	case *ast.SwitchStmt:
		return r.block(s.Body.List)
	case *ast.TypeSwitchStmt:
		return r.block(s.Body.List)
	case *ast.CaseClause:
		return r.block(s.Body)
	case *ast.DeclStmt, *ast.AssignStmt, *ast.ExprStmt, *ast.ReturnStmt, *ast.BranchStmt, *ast.IncDecStmt, *ast.EmptyStmt:
		return nil
	}
	return fmt.Errorf("a statement %T", s)
}
