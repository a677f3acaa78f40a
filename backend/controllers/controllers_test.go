package controllers

import (
	"strings"
	"testing"
)

func TestSelect(t *testing.T) {
	all := []Loop{{Name: "namespace-controller"}, {Name: "deployment-controller", Workload: true}, {Name: "job-controller", Workload: true}}
	f := func(patterns, want string) {
		t.Helper()
		loops, err := Select(all, strings.Split(patterns, ","))
		got := ""
		for _, l := range loops {
			got += strings.TrimSuffix(l.Name, "-controller")
			if l.Workload && !l.Named {
				got += "?" // waits for a node
			}
			got += " "
		}
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", patterns, got, want)
		}
	}
	f("*", "namespace deployment? job? ")
	f("*,-deployment", "namespace job? ")
	f("-deployment-controller,*", "namespace job? ")
	f("*,job", "namespace deployment? job ")
	f("job-controller", "job ")
	f("*,nothing", `--controllers: "nothing" is no controller`)
	f("*,-job*", `--controllers: "job*" is no controller`)
	for alias := range aliases {
		if _, err := Select(All(), []string{"*", "-" + alias}); err != nil {
			t.Error(err)
		}
	}
}

func TestEveryLoopIsListedOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, l := range All() {
		if seen[l.Name] || l.Name == "" || l.New == nil {
			t.Errorf("%q is listed twice or does nothing", l.Name)
		}
		seen[l.Name] = true
	}
}
