package view

import (
	"strings"
	"testing"
)

func TestTones(t *testing.T) {
	f := func(column, value, want string) {
		t.Helper()
		if got := Tone(column, value); got != want {
			t.Errorf("%s %s: got %q, want %q", column, value, got, want)
		}
	}
	f("Status", "Running", Good)
	f("Status", "Init:CrashLoopBackOff", Bad)
	f("Status", "Init:0/2", Warn)
	f("Status", "Ready,SchedulingDisabled", Warn)
	f("Status", "RegistryError", Bad)
	f("Status", "Terminating", Gone)
	f("Name", "Error", Quiet)
	f("Ready", "1/1", Quiet)
	f("Ready", "0/1", Warn)
	f("Type", "ClusterIP", Quiet)
	f("Type", "Warning", Warn)
}

func TestYAMLLinesSayWhatIsWhat(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		var got strings.Builder
		for _, l := range YAMLLines(in) {
			for _, p := range l.Parts {
				if p.Class != "" {
					got.WriteString("<" + p.Class + ":" + p.Text + ">")
				} else {
					got.WriteString(p.Text)
				}
			}
			got.WriteString("\n")
		}
		if got.String() != want+"\n" {
			t.Errorf("%s\ngot  %s\nwant %s", in, got.String(), want)
		}
	}
	f("a: 1\n", "<k:a>: <n:1>")
	f("a:\n- b: x y\n  c: true\n- d", "<k:a>:\n- <k:b>: <s:x y>\n  <k:c>: <b:true>\n- <s:d>")
	f(`"a:b": "c: d"`, `<k:"a:b">: <s:"c: d">`)
	f("a: |\n  b: c\n\n  d\ne: f", "<k:a>: <s:|>\n<s:  b: c>\n\n<s:  d>\n<k:e>: <s:f>")
	f("image: nginx:1.2", "<k:image>: <s:nginx:1.2>")
	f("x: 1.2.3", "<k:x>: <s:1.2.3>")
}

// Whatever the text is, its lines put together are the text.
func FuzzYAMLLines(f *testing.F) {
	f.Add("a: |\n b\n- - c: 'd'\n'x': y")
	f.Fuzz(func(t *testing.T, text string) {
		var got []string
		for _, l := range YAMLLines(text) {
			s := ""
			for _, p := range l.Parts {
				s += p.Text
			}
			got = append(got, s)
		}
		if strings.Join(got, "\n") != strings.TrimSuffix(text, "\n") {
			t.Errorf("%q became %q", text, got)
		}
	})
}
