package session

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pilothouse/backend/request"
)

type clock struct{ now time.Time }

func (c *clock) read() time.Time { return c.now }

func open(t *testing.T, o Options) (*Table, *clock) {
	t.Helper()
	c := &clock{time.Unix(1_700_000_000, 0)}
	o.Clock = c.read
	table, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return table, c
}

var ann = &request.User{Name: "ann", Groups: []string{"g"}}

func TestASessionLastsWhileItIsUsed(t *testing.T) {
	table, c := open(t, Options{Idle: time.Hour, Life: 24 * time.Hour})
	secret, s := table.Begin(Login{User: ann, Method: "link"})
	for range 20 {
		c.now = c.now.Add(50 * time.Minute)
		if table.Find(secret) != s {
			t.Fatalf("gone at %s", c.now)
		}
	}
	c.now = c.now.Add(61 * time.Minute)
	if table.Find(secret) != nil {
		t.Error("an idle session is there still")
	}
	select {
	case <-s.Done():
	default:
		t.Error("the session did not end")
	}
}

func TestASessionEndsAfterItsLife(t *testing.T) {
	table, c := open(t, Options{Idle: time.Hour, Life: 90 * time.Minute})
	secret, _ := table.Begin(Login{User: ann})
	c.now = c.now.Add(50 * time.Minute)
	if table.Find(secret) == nil {
		t.Fatal("gone too early")
	}
	c.now = c.now.Add(50 * time.Minute)
	if table.Find(secret) != nil {
		t.Error("older than it may get")
	}
}

func TestASessionEndsWithItsCredential(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sessions.json")
	table, c := open(t, Options{File: file})
	secret, _ := table.Begin(Login{User: ann, Method: "certificate", Until: c.now.Add(time.Hour)})
	c.now = c.now.Add(59 * time.Minute)
	if table.Find(secret) == nil {
		t.Fatal("gone too early")
	}
	again, d := open(t, Options{File: file})
	if d.now = c.now; again.Find(secret) == nil {
		t.Fatal("gone after a restart")
	}
	d.now = d.now.Add(time.Minute)
	if again.Find(secret) != nil {
		t.Error("a session outlived its certificate")
	}
}

func TestNewerTokensTakeThePlaceOfOldOnes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sessions.json")
	table, _ := open(t, Options{File: file})
	secret, s := table.Begin(Login{User: ann, Method: "oidc", Issuer: "https://a", Token: "one", Refresh: "r1"})
	table.Renew(s, secret, "two", "")
	if got := s.Token(secret) + s.Refresh(secret); got != "twor1" {
		t.Errorf("got %s", got)
	}
	table.Renew(s, secret, "three", "r2")
	again, _ := open(t, Options{File: file})
	if found := again.Find(secret); found.Token(secret)+found.Refresh(secret) != "threer2" || found.Issuer != "https://a" {
		t.Errorf("after a restart %s %s of %s", found.Token(secret), found.Refresh(secret), found.Issuer)
	}
	if got := s.Refresh("another"); got != "" {
		t.Errorf("%q with another secret", got)
	}
}

func TestABoxOpensWhatItSealed(t *testing.T) {
	a, b := NewBox(), NewBox()
	sealed := a.Seal("text")
	if a.Open(sealed) != "text" || b.Open(sealed) != "" || a.Open("") != "" || a.Open(sealed[1:]) != "" || a.Open("%%") != "" {
		t.Error("the wrong ones are opened")
	}
}

func TestAllAreEverybodys(t *testing.T) {
	table, c := open(t, Options{})
	table.Begin(Login{User: ann})
	c.now = c.now.Add(time.Minute)
	table.Begin(Login{User: &request.User{Name: "bob"}})
	if all := table.All(); len(all) != 2 || all[0].User.Name != "bob" || len(table.Of("ann")) != 1 {
		t.Errorf("%v", all)
	}
}

func TestEndTakesASessionAway(t *testing.T) {
	table, _ := open(t, Options{})
	secret, s := table.Begin(Login{User: ann})
	other, _ := table.Begin(Login{User: ann})
	if n := len(table.Of("ann")); n != 2 {
		t.Fatalf("%d sessions", n)
	}
	table.End(s.ID)
	if table.Find(secret) != nil || table.Alive(s) {
		t.Error("an ended session is there still")
	}
	if table.Find(other) == nil {
		t.Error("the other session is gone too")
	}
	if table.Find("") != nil || table.Find("x") != nil {
		t.Error("found a session without a secret")
	}
}

func TestSessionsSurviveARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sessions.json")
	table, _ := open(t, Options{File: file})
	secret, s := table.Begin(Login{User: ann, Method: "token", Token: "bearer-of-ann"})
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{secret, "bearer-of-ann"} {
		if bytes.Contains(raw, []byte(word)) {
			t.Errorf("the file holds %s", word)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	again, _ := open(t, Options{File: file})
	found := again.Find(secret)
	if found == nil || found.ID != s.ID || found.User.Name != "ann" || found.User.Groups[0] != "g" {
		t.Fatalf("found %+v", found)
	}
	if got := found.Token(secret); got != "bearer-of-ann" {
		t.Errorf("token %q", got)
	}
	if got := found.Token("another"); got != "" {
		t.Errorf("token %q with another secret", got)
	}
	again.End(s.ID)
	if third, _ := open(t, Options{File: file}); third.Find(secret) != nil {
		t.Error("an ended session came back")
	}
}

func TestABrokenFileIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sessions.json")
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{File: file}); err == nil {
		t.Error("no error")
	}
}

func TestTheTableIsBounded(t *testing.T) {
	table, c := open(t, Options{Most: 3})
	first, _ := table.Begin(Login{User: ann})
	var last string
	for range 5 {
		c.now = c.now.Add(time.Second)
		last, _ = table.Begin(Login{User: ann})
	}
	if n := len(table.Of("ann")); n != 3 {
		t.Errorf("%d sessions", n)
	}
	if table.Find(first) != nil || table.Find(last) == nil {
		t.Error("the wrong session made room")
	}
}

func TestALinkWorksOnceAndNotForLong(t *testing.T) {
	c := &clock{time.Unix(1_700_000_000, 0)}
	links := NewLinks(c.read)
	login := Login{User: ann, Method: "link"}
	token := links.New(login)
	if _, ok := links.Use(token + "x"); ok {
		t.Error("another token was taken")
	}
	if got, ok := links.Use(token); !ok || got != login {
		t.Fatal("refused")
	}
	if _, ok := links.Use(token); ok {
		t.Error("taken twice")
	}
	late := links.New(login)
	c.now = c.now.Add(LinkLife + time.Second)
	if _, ok := links.Use(late); ok {
		t.Error("taken after its time")
	}
	for range 2 * maxLinks {
		links.New(login)
	}
	if len(links.open) > maxLinks {
		t.Errorf("%d links are open", len(links.open))
	}
}

func TestFormTokens(t *testing.T) {
	a, b := FormToken("s"), FormToken("s")
	if a == b {
		t.Error("two tokens are the same text")
	}
	if !CheckFormToken("s", a) || !CheckFormToken("s", b) {
		t.Error("a token of the session is refused")
	}
	for _, bad := range []string{"", "x", a[1:], FormToken("other")} {
		if CheckFormToken("s", bad) {
			t.Errorf("%q is taken", bad)
		}
	}
}
