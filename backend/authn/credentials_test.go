package authn

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pilothouse/backend/metrics/metricstest"
	"pilothouse/backend/request"

	"golang.org/x/crypto/bcrypt"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func basicHeader(credentials string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(credentials))
}

func TestBasic(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("s3cret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "passwords.csv")
	content := "pass,alice,1,\"dev, ops\"\n" + string(hash) + ",bob,2\n\"with,comma:\",carol,3,\n,dora,4\n"
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := OpenPasswordFile(path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(header, want string, wantErr bool) {
		t.Helper()
		user, err := Basic(file).Authenticate(context.Background(), with("Authorization", header))
		name := ""
		if user != nil {
			name = user.Name
		}
		if name != want || (err != nil) != wantErr || err != nil && !errors.Is(err, errInvalidPassword) {
			t.Errorf("%q: %q %v", header, name, err)
		}
	}
	check(basicHeader("alice:pass"), "alice", false)
	check("bAsIc "+basicHeader("alice:pass")[6:], "alice", false)
	check(basicHeader("bob:s3cret"), "bob", false)
	check(basicHeader("carol:with,comma:"), "carol", false)
	check(basicHeader("dora:"), "dora", false)
	check(basicHeader("alice:wrong"), "", true)
	check(basicHeader("alice:"), "", true)
	check(basicHeader("bob:wrong"), "", true)
	check(basicHeader("bob:"+string(hash)), "", true)
	check(basicHeader("bob:"+strings.Repeat("s3cret", 100)), "", true)
	check(basicHeader("nobody:s3cret"), "", true)
	check(basicHeader(":"), "", true)
	check(basicHeader("ali:ce:pass"), "", true)
	check(basicHeader("alice"), "", false) // no colon: no credentials
	check("Basic ***", "", false)
	check("Basic", "", false)
	check("Bearer "+basicHeader("alice:pass")[6:], "", false)
	check("", "", false)

	user, err := Basic(file).Authenticate(context.Background(), with("Authorization", basicHeader("alice:pass")))
	if want := (&request.User{Name: "alice", UID: "1", Groups: []string{"dev", "ops", request.GroupAuthenticated}}); err != nil || !reflect.DeepEqual(user, want) {
		t.Errorf("%+v %v", user, err)
	}
}

func TestPasswordFileFaults(t *testing.T) {
	check := func(content, want string) {
		t.Helper()
		_, err := readPasswords(strings.NewReader(content))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", content, err)
		}
	}
	check("s3cret,alice\n", "line 1: password, user name and user uid are needed, found 2 fields")
	check("ok,a,1\ns3cret,b:c,1\n", "line 2: a user name cannot have a colon")
	check("$2y$s3cret,a,1\n", "looks like a bcrypt hash")
	check("$2a$31$abcdefghijklmnopqrstuuF9SVlNcXEtnwFuaSjnZKv5x9MIOGCgi,a,1\n", "cost of 31")
}

func TestHashesAreNotComputedForThoseWhoAreGone(t *testing.T) {
	hash, _ := bcrypt.GenerateFromPassword([]byte("s3cret"), bcrypt.MinCost)
	file, err := readPasswords(strings.NewReader(string(hash) + ",bob,2\n"))
	if err != nil {
		t.Fatal(err)
	}
	for range cap(file.slots) {
		file.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if id, err := file.AuthenticateToken(ctx, "bob:s3cret", nil); id != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%v %v", id, err)
	}
}

func TestAnonymous(t *testing.T) {
	check := func(path string, want bool, paths ...string) {
		t.Helper()
		user, err := Anonymous(paths...).Authenticate(context.Background(), &request.Request{Path: path})
		if (user != nil) != want || err != nil {
			t.Errorf("%s of %v: %v %v", path, paths, user, err)
		}
	}
	check("/api", true)
	check("/healthz", true, "/livez", "/healthz")
	check("/healthz/", false, "/healthz")
	check("/healthz/ping", false, "/healthz")
	check("//healthz", false, "/healthz")
	check("/api", false, "/healthz")
}

func bootstrapSecret(change ...func(*corev1.Secret)) *corev1.Secret {
	s := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "bootstrap-token-abcdef"},
		Type:       "bootstrap.kubernetes.io/token",
		Data: map[string][]byte{
			"token-id": []byte("abcdef"), "token-secret": []byte("0123456789abcdef"), "usage-bootstrap-authentication": []byte("true"),
			"expiration": []byte("2030-01-01T00:00:00Z"), "auth-extra-groups": []byte("system:bootstrappers:workers,system:bootstrappers:a"),
		},
	}
	for _, c := range change {
		c(s)
	}
	return s
}

func TestBootstrapTokens(t *testing.T) {
	now := newClock()
	var secret *corev1.Secret
	a := BootstrapTokens(func(_ context.Context, namespace, name string) (*corev1.Secret, error) {
		if secret == nil || namespace != secret.Namespace || name != secret.Name {
			return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, name)
		}
		return secret, nil
	}, now.time)
	const token = "abcdef.0123456789abcdef"
	check := func(what, token string, want []string, change ...func(*corev1.Secret)) {
		t.Helper()
		secret = bootstrapSecret(change...)
		id, err := a.AuthenticateToken(context.Background(), token, nil)
		var groups []string
		if id != nil {
			groups = id.User.Groups
			if id.User.Name != "system:bootstrap:abcdef" {
				t.Errorf("%s: %s", what, id.User.Name)
			}
		}
		if err != nil || !reflect.DeepEqual(groups, want) {
			t.Errorf("%s: %v %v", what, groups, err)
		}
	}
	set := func(key, value string) func(*corev1.Secret) {
		return func(s *corev1.Secret) { s.Data[key] = []byte(value) }
	}
	check("good", token, []string{"system:bootstrappers", "system:bootstrappers:a", "system:bootstrappers:workers"})
	check("no groups of its own", token, []string{"system:bootstrappers"}, set("auth-extra-groups", ""))
	check("no expiration", token, []string{"system:bootstrappers"}, set("auth-extra-groups", ""), func(s *corev1.Secret) { delete(s.Data, "expiration") })
	check("wrong secret", "abcdef.0123456789abcdeg", nil)
	check("unknown id", "abcdeg.0123456789abcdef", nil)
	check("longer", token+"0", nil)
	check("with a line end", token+"\n", nil)
	check("upper case", "ABCDEF.0123456789abcdef", nil)
	check("another type", token, nil, func(s *corev1.Secret) { s.Type = "Opaque" })
	check("id of another", token, nil, set("token-id", "abcdeg"))
	check("for signing only", token, nil, set("usage-bootstrap-authentication", "false"))
	check("expired", token, nil, set("expiration", "2020-01-01T00:00:00Z"))
	check("no time", token, nil, set("expiration", "tomorrow"))
	check("masters", token, nil, set("auth-extra-groups", "system:masters"))
	check("an empty group among others", token, nil, set("auth-extra-groups", "system:bootstrappers:a,"))
	check("being deleted", token, nil, func(s *corev1.Secret) { s.DeletionTimestamp = &metav1.Time{Time: now.now} })

	broken := BootstrapTokens(func(context.Context, string, string) (*corev1.Secret, error) {
		return nil, errors.New("storage is gone")
	}, now.time)
	if _, err := broken.AuthenticateToken(context.Background(), token, nil); err == nil {
		t.Error("no error when secrets cannot be read")
	}
}

func TestForAPI(t *testing.T) {
	next := &counted{answer: named("alice")}
	a := ForAPI([]string{"api", "also"}, next)
	check := func(want []string, known bool, audiences ...string) {
		t.Helper()
		id, err := a.AuthenticateToken(context.Background(), "t", audiences)
		if err != nil || (id != nil) != known || id != nil && !reflect.DeepEqual(id.Audiences, want) {
			t.Errorf("%v: %+v %v", audiences, id, err)
		}
	}
	check(nil, true)
	check([]string{"api"}, true, "api", "vault")
	check([]string{"api", "also"}, true, "also", "api")
	check(nil, false, "vault")
	if next.asked.Load() != 3 {
		t.Error("asked about a token for others")
	}
}

func TestReview(t *testing.T) {
	review := Review(UnionTokens(
		TokenFunc(func(_ context.Context, token string) (*request.User, error) {
			switch token {
			case "good":
				return &request.User{Name: "alice"}, nil
			case "old":
				return nil, errors.New("expired")
			}
			return nil, nil
		}),
	))
	check := func(token, want, wantErr string) {
		t.Helper()
		user, _, err := review(context.Background(), token, nil)
		name, text := "", ""
		if user != nil {
			name = user.Name
		}
		if err != nil {
			text = err.Error()
		}
		if name != want || text != wantErr {
			t.Errorf("%q: %q %q", token, name, text)
		}
	}
	check("good", "alice", "")
	check("good and more", "alice", "")
	check("bad", "", "invalid bearer token")
	check("old", "", "[invalid bearer token, expired]")
	check(" good", "", "invalid bearer token")
}

func TestSlowFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := SlowFailures(Bearer(tokens), time.Now)
		try := func(token, address string) time.Duration {
			r := with("Authorization", "Bearer "+token)
			r.RemoteAddr = address
			start := time.Now()
			if _, err := a.Authenticate(context.Background(), r); (err != nil) != (token != "good") {
				t.Errorf("%s: %v", token, err)
			}
			return time.Since(start)
		}
		for range failureBurst {
			if d := try("bad", "192.0.2.1:1000"); d != 0 {
				t.Fatalf("a refusal within the burst took %v", d)
			}
		}
		if d := try("bad", "192.0.2.1:1001"); d == 0 {
			t.Error("a refusal after the burst took no time")
		}
		if d := try("good", "192.0.2.1:1002"); d != 0 {
			t.Errorf("the good one was held back for %v", d)
		}
		if d := try("bad", "192.0.2.2:1000"); d != 0 {
			t.Errorf("another address was held back for %v", d)
		}
		for range 200 {
			if d := try("bad", "192.0.2.1:1000"); d > mostDelay {
				t.Fatalf("held back for %v", d)
			}
		}
		time.Sleep(time.Hour)
		if d := try("bad", "192.0.2.1:1000"); d != 0 {
			t.Errorf("held back for %v after an hour", d)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		r := with("Authorization", "Bearer bad")
		for range 2 * failureBurst {
			a.Authenticate(ctx, r) //nolint:errcheck // that it returns is the point
		}
	})
}

func TestSlowFailuresIsBounded(t *testing.T) {
	now := newClock()
	th := &throttle{now: now.time, failures: map[string]*failures{}}
	for i := range 3 * maxAddresses {
		th.delay(string(rune(i)))
	}
	if len(th.failures) > maxAddresses {
		t.Errorf("%d addresses", len(th.failures))
	}
}

func FuzzAuthorization(f *testing.F) {
	for _, s := range []string{"Bearer good", "Bearer  good", "bearer\tgood", "Basic YTpi", "Bearer ", " Bearer a b c", "Basic", "Bearer \x00", "basic YTpi="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		user, err := Bearer(tokens).Authenticate(context.Background(), with("Authorization", header))
		if user != nil && (err != nil || !strings.Contains(header, "good")) {
			t.Errorf("%q is %v %v", header, user, err)
		}
		if credentials, ok := basicCredentials(header); ok && (!strings.Contains(credentials, ":") || !request.HasPrefixFold(header, "basic ")) {
			t.Errorf("%q holds %q", header, credentials)
		}
	})
}

func FuzzWebSocketProtocol(f *testing.F) {
	f.Add(protocolPrefix + "Z29vZA,x")
	f.Add("x," + protocolPrefix)
	f.Add(",," + protocolPrefix + "====")
	f.Fuzz(func(t *testing.T, line string) {
		user, err := WebSocketBearer(tokens).Authenticate(context.Background(), with("Upgrade", "websocket", "Sec-Websocket-Protocol", line))
		if user != nil && (err != nil || !strings.Contains(line, protocolPrefix)) {
			t.Errorf("%q is %v %v", line, user, err)
		}
	})
}

func TestCounting(t *testing.T) {
	before := metricstest.Read(t)
	a := Counted(Bearer(TokenFunc(func(_ context.Context, token string) (*request.User, error) {
		return &request.User{Name: token}, nil
	})), time.Now)
	for _, name := range []string{"admin", "a@b", "a@c", "somebody"} {
		if _, err := a.Authenticate(context.Background(), with("Authorization", "Bearer "+name)); err != nil {
			t.Fatal(err)
		}
	}
	if u, err := a.Authenticate(context.Background(), with()); u != nil || err != nil {
		t.Error(u, err)
	}
	before.Grown(t,
		`authenticated_user_requests{username="admin"} 1`, `authenticated_user_requests{username="email_id"} 2`, `authenticated_user_requests{username="other"} 1`,
		`authentication_attempts{result="success"} 4`, `authentication_attempts{result="failure"} 1`, `authentication_duration_seconds_count{result="success"} 4`,
	)
	for name := range metricstest.Read(t) {
		if strings.Contains(name, "a@b") || strings.Contains(name, "somebody") {
			t.Errorf("the metrics name users: %s", name)
		}
	}
}
