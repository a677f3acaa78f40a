package backend_test

import (
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// guards are the ways in which a goroutine's panic is caught, logged and counted.
var guards = map[string]bool{
	"metrics.Guarded": true, "metrics.Kept": true, "metrics.Caught": true, "metrics.Protected": true, "metrics.CaughtPanic": true, "loop.Protect": true, "Protect": true,
}

// unguarded are goroutines that need no guard, by file and begin of their text,
// with the reason.
var unguarded = map[string]string{
	"backend/commands/proxy/proxy.go: func": "a command of its own that imports nothing of the server's; http.Server's Shutdown and Close",
	"backend/metrics/panics.go":             "the guard itself",
	"web/lifetime/lifetime.go":              "what its callers give it is looked at where they do",
}

// harmless are what a func that only ends something calls.
var harmless = map[string]bool{
	"Close": true, "cancel": true, "ShutDown": true, "Wake": true, "poke": true, "kill": true, "stop": true, "free": true, "closeBoth": true, "leave": true, "end": true,
	"closeLog": true, "close": true,
}

// TestGoroutinesAreGuarded reads the whole program: each function that is begun as
// a goroutine (go, WaitGroup.Go and errgroup's, AfterFunc) is under the one guard,
// since a panic that nobody recovers ends the process. What only closes or
// cancels something needs none.
func TestGoroutinesAreGuarded(t *testing.T) {
	found := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		name := filepath.ToSlash(strings.TrimPrefix(path, ".."+string(filepath.Separator)))
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata" || name == "e2e" || name == "backend/apitest" || name == "backend/storage/storagetest" || strings.HasPrefix(d.Name(), ".") && path != ".."):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(d.Name(), "zz_generated") || strings.HasSuffix(path, "_templ.go"):
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, f := range begun(file) {
			found++
			if text := source(set, f); !guarded(f) && !ends(f) && !excused(name, text) {
				t.Errorf("%s:%d: a goroutine without a guard (metrics.Guarded, Kept, Caught, Protected): %.80s", name, set.Position(f.Pos()).Line, text)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 50 {
		t.Errorf("only %d goroutines are begun: the test does not see them", found)
	}
}

// begun gives what a file begins as goroutines.
func begun(file *ast.File) (list []ast.Expr) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			list = append(list, n.Call.Fun)
		case *ast.CallExpr:
			selector, ok := n.Fun.(*ast.SelectorExpr)
			switch {
			case ok && selector.Sel.Name == "Go" && len(n.Args) == 1:
				list = append(list, n.Args[0])
			case ok && selector.Sel.Name == "AfterFunc" && len(n.Args) == 2:
				list = append(list, n.Args[1])
			}
		}
		return true
	})
	return list
}

// guarded tells a call of a guard, or a func literal that has one outside of the
// literals in it.
func guarded(f ast.Expr) (yes bool) {
	if call, ok := f.(*ast.CallExpr); ok {
		return guards[dotted(call.Fun)]
	}
	literal, ok := f.(*ast.FuncLit)
	if !ok {
		return false
	}
	ast.Inspect(literal.Body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && guards[dotted(call.Fun)] {
			yes = true
		}
		_, nested := n.(*ast.FuncLit)
		return !nested
	})
	return yes
}

// ends tells what only closes or cancels something.
func ends(f ast.Expr) bool {
	literal, ok := f.(*ast.FuncLit)
	if !ok {
		name := dotted(f)
		return harmless[name[strings.LastIndexByte(name, '.')+1:]]
	}
	for _, s := range literal.Body.List {
		statement, ok := s.(*ast.ExprStmt)
		if !ok {
			return false
		}
		call, ok := statement.X.(*ast.CallExpr)
		if !ok || !ends(call.Fun) {
			return false
		}
	}
	return true
}

func dotted(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return dotted(e.X) + "." + e.Sel.Name
	}
	return ""
}

func source(set *token.FileSet, n ast.Node) string {
	var b strings.Builder
	if err := format.Node(&b, set, n); err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func excused(file, text string) bool {
	for where := range unguarded {
		if strings.HasPrefix(file+": "+text, where) {
			return true
		}
	}
	return false
}

// TestTheGuardTestSees tells goroutines with a guard from those without.
func TestTheGuardTestSees(t *testing.T) {
	for text, want := range map[string]bool{
		`go f()`:              false,
		`go func() { f() }()`: false,
		`go func() { defer metrics.Caught("x"); f() }()`:    true,
		`go metrics.Guarded("x", f)()`:                      true,
		`go func() { c <- metrics.Protected("x", f) }()`:    true,
		`go func() { g(func() { metrics.Caught("x") }) }()`: false,
		`w.Go(f)`:                         false,
		`w.Go(metrics.Kept(ctx, "x", f))`: true,
		`context.AfterFunc(ctx, cancel)`:  true,
		`context.AfterFunc(ctx, func() { c.Close(); cancel() })`: true,
		`time.AfterFunc(d, func() { c.Close(); f() })`:           false,
		`time.AfterFunc(d, x.sweep)`:                             false,
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\nfunc y() {\n"+text+"\n}", 0)
		if err != nil {
			t.Fatal(err)
		}
		list := begun(file)
		if len(list) != 1 || (guarded(list[0]) || ends(list[0])) != want {
			t.Errorf("%s: %d found, want guarded: %v", text, len(list), want)
		}
	}
}
