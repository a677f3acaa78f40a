package web_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"pilothouse/backend/apitest"
)

var scriptOfMessages = regexp.MustCompile(`<script defer src="(/ui/messages/[^"]+)"`)

func TestPagesAreInTheLanguageOfTheirReader(t *testing.T) {
	s := apitest.Start(t, apitest.Options{Users: []apitest.User{{Name: "ann", Groups: []string{"system:masters"}}}})
	b := newBrowser(t, strings.TrimSuffix(s.DashboardURL(), "/"))
	if p := b.do("POST", "/login", url.Values{"token": {"token-ann"}, "next": {"/ui/"}}); p.StatusCode != 303 {
		t.Fatalf("login: %d", p.StatusCode)
	}

	f := func(accept, lang, text string) {
		t.Helper()
		p := b.get("/ui/resources", "Accept-Language", accept)
		if !strings.Contains(p.body, `<html lang="`+lang+`"`) || !strings.Contains(p.body, text) || p.Header.Get("Content-Language") != lang {
			t.Errorf("%q: no %s page with %q: %s %.200s", accept, lang, text, p.Header.Get("Content-Language"), p.body)
		}
		script := scriptOfMessages.FindStringSubmatch(p.body)
		if (script == nil) != (lang == "en") {
			t.Fatalf("%q: messages of scripts: %v", accept, script)
		}
		if script != nil {
			p := b.get(script[1])
			if p.StatusCode != 200 || !strings.HasPrefix(p.body, `globalThis.pilothouseMessages={"language":"`+lang+`"`) || !strings.Contains(p.Header.Get("Cache-Control"), "immutable") {
				t.Errorf("%d %s %.200s", p.StatusCode, p.Header.Get("Cache-Control"), p.body)
			}
		}
	}
	f("", "en", ">As the browser<")
	f("de-AT,en;q=0.5", "de", ">Wie der Browser<")
	f("en-XA", "en-XA", ">⟦As the browser⟧<")

	// What the user has chosen goes before what the browser asks for.
	form := b.found(formToken, b.get("/ui/resources"))
	choose := func(tag string) {
		t.Helper()
		if p := b.do("POST", "/ui/theme", url.Values{"form": {form}, "language": {tag}, "next": {"/ui/resources"}}); p.StatusCode != 303 || p.Header.Get("Location") != "/ui/resources" {
			t.Fatalf("%d %s", p.StatusCode, p.body)
		}
	}
	choose("de")
	f("en", "de", `aria-pressed="true">Deutsch<`)
	choose("xx") // is none
	f("en", "de", ">Wie der Browser<")
	choose("auto")
	f("en", "en", `aria-pressed="false">Deutsch<`)

	if p := b.get("/ui/messages/de-00000000.js"); p.StatusCode != 404 {
		t.Errorf("a name of another version: %d", p.StatusCode)
	}
}
