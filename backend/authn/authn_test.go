package authn

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pilothouse/backend/request"
)

type header http.Header

func (h header) Get(name string) string      { return http.Header(h).Get(name) }
func (h header) Values(name string) []string { return http.Header(h).Values(name) }
func (h header) Each(f func(name, value string)) {
	for name, values := range h {
		for _, v := range values {
			f(name, v)
		}
	}
}

func with(lines ...string) *request.Request {
	h := http.Header{}
	for i := 0; i+1 < len(lines); i += 2 {
		h.Add(lines[i], lines[i+1])
	}
	return &request.Request{Header: header(h)}
}

var tokens = TokenFunc(func(_ context.Context, token string) (*request.User, error) {
	switch token {
	case "good":
		return &request.User{Name: "alice", Groups: []string{"dev"}}, nil
	case "expired":
		return nil, errors.New("expired")
	}
	return nil, nil
})

func TestBearer(t *testing.T) {
	check := func(line, want string, wantErr bool, warnings int) {
		t.Helper()
		r := with("Authorization", line)
		user, err := Bearer(tokens).Authenticate(context.Background(), r)
		name := ""
		if user != nil {
			name = user.Name
		}
		if name != want || (err != nil) != wantErr || len(r.Warnings()) != warnings {
			t.Errorf("%q: %q %v %v", line, name, err, r.Warnings())
		}
	}
	check("Bearer good", "alice", false, 0)
	check("bearer good", "alice", false, 0)
	check("  BEARER good  ", "alice", false, 0)
	check("Bearer good more words", "alice", false, 0)
	check("Bearer  good", "", false, 1)
	check("Bearer", "", false, 0)
	check("Bearer ", "", false, 0)
	check("Basic good", "", false, 0)
	check("", "", false, 0)
	check("Bearer bad", "", true, 0)
	check("Bearer expired", "", true, 0)
}

func TestWebSocketBearer(t *testing.T) {
	encode := func(s string) string { return protocolPrefix + base64.RawURLEncoding.EncodeToString([]byte(s)) }
	check := func(want string, wantErr bool, lines ...string) {
		t.Helper()
		user, err := WebSocketBearer(tokens).Authenticate(context.Background(), with(lines...))
		name := ""
		if user != nil {
			name = user.Name
		}
		if name != want || (err != nil) != wantErr {
			t.Errorf("%v: %q %v", lines, name, err)
		}
	}
	const protocol = "Sec-Websocket-Protocol"
	check("alice", false, "Upgrade", "WebSocket", protocol, encode("good")+", v5.channel.k8s.io")
	check("alice", false, "Upgrade", "websocket", protocol, encode("good"), protocol, "v5.channel.k8s.io")
	check("", false, protocol, encode("good")+",v5.channel.k8s.io")
	check("", true, "Upgrade", "websocket", protocol, encode("good"))
	check("", true, "Upgrade", "websocket", protocol, encode("bad")+",v5.channel.k8s.io")
	check("", true, "Upgrade", "websocket", protocol, protocolPrefix+"***,v5.channel.k8s.io")
	check("", true, "Upgrade", "websocket", protocol, encode("good")+","+encode("good")+",x")
	check("", false, "Upgrade", "websocket", protocol, "v5.channel.k8s.io")
}

// userOfToken gives whose a token is, nil when nobody knows it.
func userOfToken(t *testing.T, tokens TokenAuthenticator, token string) *request.User {
	t.Helper()
	id, err := tokens.AuthenticateToken(context.Background(), token, nil)
	if err != nil {
		t.Error(err)
	}
	if id == nil {
		return nil
	}
	return id.User
}

func TestUnionAsksInOrder(t *testing.T) {
	var asked []string
	one := func(name string, user *request.User, err error) Authenticator {
		return Func(func(context.Context, *request.Request) (*request.User, error) {
			asked = append(asked, name)
			return user, err
		})
	}
	bad, nobody, alice := one("bad", nil, errors.New("bad")), one("nobody", nil, nil), one("alice", &request.User{Name: "alice"}, nil)
	check := func(a Authenticator, want string, wantErr bool, wantAsked ...string) {
		t.Helper()
		asked = nil
		user, err := a.Authenticate(context.Background(), with())
		name := ""
		if user != nil {
			name = user.Name
		}
		if name != want || (err != nil) != wantErr || !reflect.DeepEqual(asked, wantAsked) {
			t.Errorf("%q %v %v, want %q %v", name, err, asked, want, wantAsked)
		}
	}
	check(Union(bad, nobody, alice, bad), "alice", false, "bad", "nobody", "alice")
	check(Union(bad, nobody), "", true, "bad", "nobody")
	check(Union(nobody), "", false, "nobody")
	check(OrElse(bad, alice), "", true, "bad")
	check(OrElse(nobody, alice), "alice", false, "nobody", "alice")
	check(OrElse(alice, bad), "alice", false, "alice")
}

func TestWithGroups(t *testing.T) {
	give := func(u *request.User) *request.User {
		got, err := WithGroups(Func(func(context.Context, *request.Request) (*request.User, error) { return u, nil })).Authenticate(context.Background(), with())
		if err != nil {
			t.Error(err)
		}
		return got
	}
	shared := &request.User{Name: "alice", Groups: []string{"dev"}}
	if got := give(shared); !reflect.DeepEqual(got.Groups, []string{"dev", request.GroupAuthenticated}) || len(shared.Groups) != 1 {
		t.Errorf("%v %v", got, shared)
	}
	if got := give(anonymous); len(got.Groups) != 1 {
		t.Errorf("%v", got)
	}
	if got := give(nil); got != nil {
		t.Errorf("%v", got)
	}
}

func TestTokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.csv")
	open := func(content string) (*TokenFile, error) {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return OpenTokenFile(path)
	}
	f, err := open("a,alice,1,\"dev, ops\"\nb,bob,2\nc,carol,3,\n,nobody,4\nb,robert,5,x\n")
	if err != nil {
		t.Fatal(err)
	}
	check := func(token string, want *request.User) {
		t.Helper()
		got := userOfToken(t, f, token)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v", token, got)
		}
	}
	check("a", &request.User{Name: "alice", UID: "1", Groups: []string{"dev", "ops", "system:authenticated"}})
	check("b", &request.User{Name: "robert", UID: "5", Groups: []string{"x", "system:authenticated"}})
	check("c", &request.User{Name: "carol", UID: "3", Groups: []string{"system:authenticated"}})
	check("", nil)
	check("a ", nil)

	for _, content := range []string{"s3cret,alice\n", "ok,a,1\ns3cret,\"x\n", "s3cret,a\"b,1\n"} {
		if _, err := open(content); err == nil || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "line ") || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", content, err)
		}
	}
	if _, err := OpenTokenFile(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no error for a file that is not there")
	}
}
