package resources

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"pilothouse/backend/registry"
)

var updatePage = flag.Bool("update", false, "write docs/resources.md")

const page = "../../docs/resources.md"

// docs/resources.md describes every built-in resource as it is. After a change:
// go test ./backend/resources -run TestPage -update.
func TestPage(t *testing.T) {
	want := describe(All(&registry.Env{}))
	if *updatePage {
		if err := os.WriteFile(page, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != want {
		t.Error("docs/resources.md does not describe the resources: go test ./backend/resources -run TestPage -update")
	}
}

func describe(all []registry.Resource) string {
	var b strings.Builder
	b.WriteString("# Built-in resources\n\nWhat the server has without custom resources, made from its own list (`go test ./backend/resources -run TestPage -update`). Columns in *italics* show with `-o wide`. Every kind can be selected by `metadata.name` and, in a namespace, `metadata.namespace`.\n")
	group := "none"
	for i := range all {
		r := &all[i]
		if r.Group != group {
			group = r.Group
			name := group
			if name == "" {
				name = "core"
			}
			fmt.Fprintf(&b, "\n## %s\n\n| resource | kind | versions | verbs | columns | selectable fields | subresources |\n|---|---|---|---|---|---|---|\n", name)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", named(r), r.Kind, versions(r), verbs(r), columns(r), fields(r), subresources(r))
	}
	return b.String()
}

func named(r *registry.Resource) string {
	name := "`" + r.Name + "`"
	if len(r.ShortNames) > 0 {
		name += " (" + strings.Join(r.ShortNames, ", ") + ")"
	}
	if !r.Namespaced {
		name += ", of the cluster"
	}
	return name
}

func versions(r *registry.Resource) string {
	var out []string
	for _, v := range r.Versions {
		out = append(out, v.Name)
	}
	return strings.Join(out, ", ")
}

func verbs(r *registry.Resource) string {
	switch {
	case r.Verbs != nil:
		return strings.Join(r.Verbs, ", ")
	case r.Virtual == nil:
		return "all"
	}
	var out []string
	v := r.Virtual
	for _, verb := range []struct {
		name string
		has  bool
	}{{"create", v.Create != nil}, {"get", v.Get != nil}, {"list", v.List != nil}} {
		if verb.has {
			out = append(out, verb.name)
		}
	}
	return strings.Join(out, ", ")
}

func columns(r *registry.Resource) string {
	var out []string
	for _, c := range r.Columns {
		name := c.Name
		if c.Priority > 0 {
			name = "*" + name + "*"
		}
		out = append(out, name)
	}
	return strings.Join(out, ", ")
}

func fields(r *registry.Resource) string {
	var out []string
	for _, f := range r.Fields {
		if !f.Hidden {
			out = append(out, "`"+f.Name+"`")
		}
	}
	return strings.Join(out, ", ")
}

func subresources(r *registry.Resource) string {
	var out []string
	for _, s := range r.Subresources {
		out = append(out, "`"+s.Name+"`")
	}
	return strings.Join(out, ", ")
}
