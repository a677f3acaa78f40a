package backend_test

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// levels are the layers of docs/architecture.md, from the words that everyone
// uses up to the assembly. A package may import its own level and those below.
// The name is the path below backend/, without what follows the first slash.
var levels = map[string]int{
	"request": 0, "scheme": 0, "version": 0, "config": 0, "pki": 0, "metrics": 0, "logging": 0, "diff": 0, "follow": 0,
	"storage":  1,
	"registry": 2, "fieldmanager": 2, "watchcache": 2,
	"webhook": 3, "authn": 3, "authz": 3, "admission": 3, "audit": 3, "flowcontrol": 3, "life": 3, "tracing": 3, "resources": 3,
	"endpoints": 4, "stream": 4, "client": 4, "informer": 4, "discovery": 4, "openapi": 4, "crd": 4, "health": 4, "bootstrap": 4,
	"aggregator": 4, "delegate": 4, "history": 4, "controllers": 4, "kubelet": 4, "node": 4, "scheduler": 4,
	"server": 5, "commands": 5,
	"":        6, // backend itself
	"apitest": 6,
}

// walls say which packages alone may import a third party's.
var walls = map[string][]string{
	"github.com/gofiber/":           {"backend/server"},
	"github.com/valyala/fasthttp":   {"backend/server"},
	"github.com/fasthttp/websocket": {"backend/server", "web", "e2e"},
	"github.com/dgraph-io/badger/":  {"backend/storage/badger"},
	"go.etcd.io/etcd/":              {"backend/storage/etcd"},
	"github.com/casbin/casbin/":     {"backend/authz/rbac"},
	"github.com/a-h/templ":          {"templates", "web"},
}

// banned are packages that nobody imports: the project does itself what they do.
var banned = []string{
	"k8s.io/kubernetes",
	"k8s.io/apiserver/pkg/server",
	"k8s.io/apiserver/pkg/registry",
	"k8s.io/apiserver/pkg/endpoints",
	"k8s.io/apiserver/pkg/storage",
}

type listed struct {
	ImportPath, Name, Dir string
	GoFiles, CgoFiles     []string
	Imports, TestImports  []string
	XTestImports          []string
}

func (p listed) local() string { return strings.TrimPrefix(p.ImportPath, "pilothouse/") }

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Dir,GoFiles,CgoFiles,Imports,TestImports,XTestImports", "pilothouse/...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// level gives a package's layer; false for one that is not of backend.
func level(importPath string) (level int, known, backend bool) {
	below, ok := strings.CutPrefix(importPath, "pilothouse/backend")
	if !ok {
		return 0, false, false
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(below, "/"), "/")
	level, known = levels[first]
	return level, known, true
}

func TestImportsPointDown(t *testing.T) {
	for _, p := range packages(t) {
		own, known, backend := level(p.ImportPath)
		if !backend || p.Name == "main" {
			continue
		}
		if !known {
			t.Errorf("%s has no layer: put it into levels, and into docs/architecture.md", p.ImportPath)
			continue
		}
		for _, i := range p.Imports {
			if l, _, ok := level(i); ok && l > own {
				t.Errorf("%s (layer %d) imports %s (layer %d)", p.ImportPath, own, i, l)
			}
			if strings.HasPrefix(i, "pilothouse/web") || strings.HasPrefix(i, "pilothouse/templates") {
				if own < 6 {
					t.Errorf("%s imports %s", p.ImportPath, i)
				}
			}
		}
	}
}

func TestThirdPartiesStayBehindTheirWalls(t *testing.T) {
	for _, p := range packages(t) {
		for _, i := range append(append(p.Imports, p.TestImports...), p.XTestImports...) {
			for _, b := range banned {
				if i == b || strings.HasPrefix(i, b+"/") {
					t.Errorf("%s imports %s", p.ImportPath, i)
				}
			}
			for party, allowed := range walls {
				if strings.HasPrefix(i, party) && !within(p.local(), allowed) {
					t.Errorf("%s imports %s, which is for %s", p.ImportPath, i, strings.Join(allowed, ", "))
				}
			}
		}
	}
}

func within(path string, roots []string) bool {
	for _, r := range roots {
		if path == r || strings.HasPrefix(path, r+"/") {
			return true
		}
	}
	return false
}

// A wall around a name that is misspelt, or that is no dependency any more,
// guards nothing.
func TestWallsAreAroundDependencies(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for party := range walls {
		if !strings.Contains(string(mod), strings.TrimSuffix(party, "/")) {
			t.Errorf("%s is not in go.mod", party)
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range packages(t) {
		var with []string
		for _, name := range append(p.GoFiles, p.CgoFiles...) {
			if strings.HasSuffix(name, "_templ.go") {
				continue // templ writes its version where a package comment would be
			}
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.PackageClauseOnly)
			if err != nil {
				t.Fatal(err)
			}
			if f.Doc != nil && strings.TrimSpace(f.Doc.Text()) != "" {
				with = append(with, name)
			}
		}
		switch {
		case len(p.GoFiles)+len(p.CgoFiles) == 0: // tests only
		case len(with) == 0:
			t.Errorf("%s has no package comment", p.ImportPath)
		case len(with) > 1:
			t.Errorf("%s has package comments in %v", p.ImportPath, with)
		}
	}
}
