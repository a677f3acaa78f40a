package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// generated is what templ makes of a template.
func generated(t *testing.T, template string) []byte {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "a.templ"), []byte("package a\n\n"+template), 0o644); err != nil {
		t.Fatal(err)
	}
	if raw, err := exec.Command("go", "tool", "templ", "generate", "-path", folder).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	raw, err := os.ReadFile(filepath.Join(folder, "a_templ.go"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestCompactCode(t *testing.T) {
	src := generated(t, `
// A says what it is.
templ A(list []string, on bool) {
	<ul class={ "l", templ.KV("on", on) } hidden?={ on }>
		for _, s := range list {
			<li title={ s }><a href={ templ.SafeURL("/x/" + s) }>{ s }</a>@B()</li>
		}
	</ul>
	switch len(list) {
	case 0:
		<p>none</p>
	default:
		if on {
			<b { attributes()... }>on</b>
		} else {
			<a href={ list[0] }>off</a>
		}
	}
}

templ B() {
	<i title={ messages.T(ctx, "%d boats", 2) }>{ messages.T(ctx, "Boats") }{ children... }</i>
}
`)
	out, err := compact(src)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(strings.Fields(string(out)), " ")
	for _, want := range []string{
		`// A says what it is. // //go:noinline func A(list []string, on bool) templ.Component {`,
		`for _, s := range list { out_.Text("<li title=\"", s) out_.Text("\"><a href=\"", "/x/"+s) out_.Text("\">", s) out_.Part(ctx, "</a>", B()) out_.Raw("</li>") }`,
		`var var2 = []any{"l", templ.KV("on", on)} out_.Text("<ul class=\"", html.Classes(var2)) out_.Raw("\"") if on { out_.Raw(" hidden") } out_.Raw(">")`,
		`switch len(list) { case 0: out_.Raw("<p>none</p>") default:`,
		`out_.Raw("<b") out_.Attributes(attributes()) out_.Raw(">on</b>")`,
		`out_.Text("<a href=\"", string(templ.URL(list[0])))`,
		`:= templ.GetChildren(ctx) ctx = templ.ClearChildren(ctx) out_.Text("<i title=\"", messages.T(ctx, "%d boats", 2)) out_.Say(ctx, "\">", "Boats") out_.Part(ctx, "", var`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %s in\n%s", want, out)
		}
	}
	if again, err := compact(out); err != nil || string(again) != string(out) {
		t.Errorf("a second time it is something else: %v", err)
	}
}

// What is not known is an error, and not left out.
func TestUnknownCode(t *testing.T) {
	for _, template := range []string{
		"templ A() {\n\t@B() {\n\t\t<b>of another template</b>\n\t}\n}\n\ntempl B() {\n\t<i>{ children... }</i>\n}\n",
		"templ A(f func() (string, error)) {\n\tfor _, x := range []int{1} {\n\t\t<b style={ f }>x</b>\n\t}\n}\n",
	} {
		if out, err := compact(generated(t, template)); err == nil {
			t.Errorf("%s is\n%s", template, out)
		}
	}
}
