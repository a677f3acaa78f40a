package node

import "testing"

func TestExpand(t *testing.T) {
	env := []variable{{"A", "1"}, {"B", "$(A)"}}
	f := func(in, want string) {
		t.Helper()
		if got := expand(in, env); got != want {
			t.Errorf("%q gives %q, want %q", in, got, want)
		}
	}
	f("", "")
	f("plain", "plain")
	f("$(A)-$(A)", "1-1")
	f("$(B)", "$(A)")
	f("$(C)", "$(C)")
	f("$$(A)", "$(A)")
	f("$$$(A)", "$1")
	f("$A $", "$A $")
	f("$(A", "$(A")
	f("$()", "$()")
}

func FuzzExpand(f *testing.F) {
	f.Add("$(A)$$(B)$")
	f.Fuzz(func(t *testing.T, s string) { expand(s, []variable{{"A", "1"}}) })
}
