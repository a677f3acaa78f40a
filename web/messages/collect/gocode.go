package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// textType is the type of messages.
const textType = "pilothouse/web/messages.Text"

// roots are the packages that have messages, exempt those below them that have
// none that a user sees.
var (
	roots  = []string{"pilothouse/web", "pilothouse/templates"}
	exempt = []string{"pilothouse/web/messages/collect", "pilothouse/templates/stories"}
)

type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
}

// goCode collects from Go, and from templ by the Go that is generated of it.
func (l list) goCode(root string) error {
	all, err := load(root)
	if err != nil {
		return err
	}
	exports := map[string]string{}
	for _, p := range all {
		exports[p.ImportPath] = p.Export
	}
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	for _, p := range all {
		if !below(p.ImportPath, roots) || below(p.ImportPath, exempt) {
			continue
		}
		if err := l.goPackage(fset, imports, p, root); err != nil {
			return fmt.Errorf("%s: %w", p.ImportPath, err)
		}
	}
	return nil
}

func below(path string, roots []string) bool {
	for _, r := range roots {
		if path == r || strings.HasPrefix(path, r+"/") {
			return true
		}
	}
	return false
}

// load lists the packages and what they import, with their compiled types.
func load(root string) ([]listed, error) {
	args := []string{"list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles"}
	for _, r := range roots {
		args = append(args, r+"/...")
	}
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Stderr = root, os.Stderr
	raw, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(raw)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
}

func (l list) goPackage(fset *token.FileSet, imports types.Importer, p listed, root string) error {
	var files []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	if _, err := (&types.Config{Importer: imports}).Check(p.ImportPath, fset, files, info); err != nil {
		return err
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	for _, f := range files {
		file, err := filepath.Rel(root, fset.Position(f.Package).Filename)
		if err != nil {
			return err
		}
		// The generated file has templ's name for the reader.
		name := filepath.ToSlash(strings.Replace(file, "_templ.go", ".templ", 1))
		if err := l.goFile(info, f, name); err != nil {
			return err
		}
	}
	return nil
}

func (l list) goFile(info *types.Info, f *ast.File, name string) error {
	var problem error
	text := func(e ast.Expr) (string, bool) {
		tv := info.Types[e]
		if tv.Value == nil || tv.Value.Kind() != constant.String || types.Unalias(tv.Type).String() != textType {
			return "", false
		}
		return constant.StringVal(tv.Value), true
	}
	add := func(s, one string) {
		if err := l.add(s, one, name); err != nil {
			problem = err
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if one, other, rest, ok := pair(call, text); ok {
				add(other, one)
				for _, e := range rest {
					ast.Inspect(e, func(n ast.Node) bool {
						if x, ok := n.(ast.Expr); ok {
							if s, ok := text(x); ok {
								add(s, "")
								return false
							}
						}
						return true
					})
				}
				return false
			}
		}
		if e, ok := n.(ast.Expr); ok {
			if s, ok := text(e); ok {
				add(s, "")
				return false
			}
		}
		return true
	})
	return problem
}

// pair finds the two forms that a call gives to N, and its other arguments.
func pair(call *ast.CallExpr, text func(ast.Expr) (string, bool)) (one, other string, rest []ast.Expr, ok bool) {
	s, isSel := call.Fun.(*ast.SelectorExpr)
	if !isSel || s.Sel.Name != "N" {
		return "", "", nil, false
	}
	for i := 0; i+1 < len(call.Args); i++ {
		a, first := text(call.Args[i])
		b, second := text(call.Args[i+1])
		if first && second {
			return a, b, append(append(rest, call.Args[:i]...), call.Args[i+2:]...), true
		}
	}
	return "", "", nil, false
}
