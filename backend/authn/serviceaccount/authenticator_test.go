package serviceaccount

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"reflect"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/request"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// refused wants an error with these words; without words the token is to be
// somebody else's business.
func (e *env) refused(what, token, words string, audiences ...string) {
	e.t.Helper()
	id, err := e.authenticator().AuthenticateToken(context.Background(), token, audiences)
	switch {
	case id != nil:
		e.t.Errorf("%s: is %s", what, id.User.Name)
	case words == "" && err != nil:
		e.t.Errorf("%s: %v", what, err)
	case words != "" && (err == nil || !strings.Contains(err.Error(), words)):
		e.t.Errorf("%s: %v, want %s", what, err, words)
	}
}

func (e *env) user(token string, audiences ...string) *request.User {
	e.t.Helper()
	id, err := e.authenticator().AuthenticateToken(context.Background(), token, audiences)
	if err != nil || id == nil {
		e.t.Errorf("%v %v", id, err)
		return &request.User{}
	}
	return id.User
}

func TestTokensSayWhoTheyAre(t *testing.T) {
	e := newEnv(t)
	pod := create(e, "pods", &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p"}})
	node := create(e, "nodes", &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}})
	check := func(b Bound, extra map[string][]string) {
		t.Helper()
		got := e.user(e.token(b, func(c *Claims) { c.ID = "id" }))
		extra["authentication.kubernetes.io/credential-id"] = []string{"JTI=id"}
		want := &request.User{
			Name: "system:serviceaccount:ns:robot", UID: string(e.account.UID), Extra: extra,
			Groups: []string{"system:serviceaccounts", "system:serviceaccounts:ns", request.GroupAuthenticated},
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v", got)
		}
	}
	podName, podUID := []string{"p"}, []string{string(pod.UID)}
	nodeName, nodeUID := []string{"n"}, []string{string(node.UID)}
	check(Bound{}, map[string][]string{})
	check(Bound{Pod: pod}, map[string][]string{extraPodName: podName, extraPodUID: podUID})
	check(Bound{Pod: pod, Node: node}, map[string][]string{extraPodName: podName, extraPodUID: podUID, extraNodeName: nodeName, extraNodeUID: nodeUID})
	check(Bound{Pod: pod, Node: &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "gone"}}}, map[string][]string{extraPodName: podName, extraPodUID: podUID, extraNodeName: {"gone"}})
	check(Bound{Node: node}, map[string][]string{extraNodeName: nodeName, extraNodeUID: nodeUID})
}

func TestForgedTokens(t *testing.T) {
	e := newEnv(t)
	good := e.token(Bound{})
	parts := strings.Split(good, ".")
	claims := NewClaims(e.account, Bound{}, []string{audience}, e.now, time.Hour, 0)
	claims.Issuer = issuer
	key := e.keys.current.Load().all[0]
	der, err := x509.MarshalPKIXPublicKey(key.key)
	e.must(err)
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	raw := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

	e.refused("another key", signWith(t, jose.ES256, newECKey(t), "", claims), "error in cryptographic primitive")
	e.refused("another key with the id of ours", signWith(t, jose.ES256, newECKey(t), key.id, claims), "error in cryptographic primitive")
	e.refused("another key with its own id", signWith(t, jose.ES256, newECKey(t), "other", claims), "no keys found")
	e.refused("RSA where the key is ECDSA", signWith(t, jose.RS256, newRSAKey(t), key.id, claims), "not the key's")
	e.refused("our public key as a secret", signWith(t, jose.HS256, public, key.id, claims), "")
	e.refused("our public key's DER as a secret", signWith(t, jose.HS256, der, "", claims), "")
	e.refused("alg none", raw(`{"alg":"none"}`)+"."+parts[1]+".", "")
	e.refused("alg none with a signature", raw(`{"alg":"none"}`)+"."+parts[1]+"."+parts[2], "")
	e.refused("no alg", raw(`{}`)+"."+parts[1]+"."+parts[2], "")
	e.refused("no signature", parts[0]+"."+parts[1]+".", "error in cryptographic primitive")
	e.refused("a signature that goes on", good+"AAAA", "error in cryptographic primitive")
	e.refused("cut off", good[:len(good)-4], "error in cryptographic primitive")
	e.refused("two parts", parts[0]+"."+parts[1], "")
	e.refused("four parts", good+".x", "")
	e.refused("JSON serialization", `{"payload":"`+parts[1]+`","protected":"`+parts[0]+`","signature":"`+parts[2]+`"}`, "")
	e.refused("another payload", parts[0]+"."+raw(`{"iss":"`+issuer+`","sub":"system:serviceaccount:kube-system:root"}`)+"."+parts[2], "error in cryptographic primitive")
	e.refused("two issuers", parts[0]+"."+raw(`{"iss":"x","iss":"`+issuer+`"}`)+"."+parts[2], "error in cryptographic primitive")
	e.refused("huge", good+strings.Repeat("A", 1<<20), "error in cryptographic primitive")
	e.refused("huge and empty", strings.Repeat(".", 1<<20), "")
	e.refused("empty", "", "")
	e.refused("critical header", raw(`{"alg":"ES256","crit":["x"],"x":1}`)+"."+parts[1]+"."+parts[2], "unsupported critical header")
	e.refused("key in the header", signEmbedded(t, claims), "error in cryptographic primitive")
	if e.user(good).Name == "" {
		t.Error("the good one is not")
	}
}

// signEmbedded signs with a key that the token brings along.
func signEmbedded(t *testing.T, claims any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: newECKey(t)}, &jose.SignerOptions{EmbedJWK: true})
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestTimesOfTokens(t *testing.T) {
	e := newEnv(t)
	token := e.token(Bound{})
	later := e.token(Bound{}, func(c *Claims) { c.NotBefore = jwt.NewNumericDate(e.now.Add(2 * time.Minute)) })
	future := e.token(Bound{}, func(c *Claims) { c.IssuedAt = jwt.NewNumericDate(e.now.Add(2 * time.Minute)) })
	e.refused("not yet valid", later, "not valid yet")
	e.refused("from the future", future, "issued in the future")
	e.now = e.now.Add(time.Hour + 30*time.Second)
	if e.user(token).Name == "" || e.user(later).Name == "" {
		t.Error("refused within the minute that clocks may differ")
	}
	e.now = e.now.Add(time.Minute)
	e.refused("expired", token, "service account token has expired")
}

func TestIssuersOfTokens(t *testing.T) {
	e := newEnv(t)
	sign := func(issuer string) string {
		token, err := e.keys.Sign(issuer, NewClaims(e.account, Bound{}, []string{audience}, e.now, time.Hour, 0))
		e.must(err)
		return token
	}
	if e.user(sign("https://former")).Name == "" {
		t.Error("a token of a former issuer is refused")
	}
	e.refused("another issuer", sign("https://else"), "")
	e.refused("no issuer", sign(""), "")
}

func TestAudiencesOfTokens(t *testing.T) {
	e := newEnv(t)
	vault := e.token(Bound{}, func(c *Claims) { c.Audience = []string{"vault", "ledger"} })
	e.refused("for others", vault, `token audiences ["vault" "ledger"] is invalid for the target audiences ["https://kubernetes.default.svc"]`)
	e.refused("for others, asked by another", vault, `target audiences ["x"]`, "x")
	id, err := e.authenticator().AuthenticateToken(context.Background(), vault, []string{"other", "vault"})
	e.must(err)
	if !reflect.DeepEqual(id.Audiences, []string{"vault"}) {
		t.Errorf("%v", id.Audiences)
	}
	none := e.token(Bound{}, func(c *Claims) { c.Audience = nil })
	if e.user(none).Name == "" {
		t.Error("a token for nobody in particular is refused")
	}
	e.refused("for nobody in particular, asked by another", none, "is invalid for the target audiences", "vault")
}

func TestTokensDieWithWhatTheyAreBoundTo(t *testing.T) {
	e := newEnv(t)
	pod := create(e, "pods", &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p"}})
	secret := create(e, "secrets", &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "s"}})
	node := create(e, "nodes", &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}})
	ofPod, ofSecret, ofNode, ofNone := e.token(Bound{Pod: pod}), e.token(Bound{Secret: secret}), e.token(Bound{Node: node}), e.token(Bound{})
	for _, token := range []string{ofPod, ofSecret, ofNode, ofNone} {
		e.user(token)
	}
	e.remove("pods", "ns", "p")
	e.remove("secrets", "ns", "s")
	e.remove("nodes", "", "n")
	const gone = "service account token has been invalidated"
	e.refused("pod", ofPod, gone)
	e.refused("secret", ofSecret, gone)
	e.refused("node", ofNode, gone)
	create(e, "pods", &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p"}})
	create(e, "secrets", &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "s"}})
	create(e, "nodes", &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}})
	e.refused("another pod", ofPod, "does not match service account pod ref claim")
	e.refused("another secret", ofSecret, "does not match service account secret ref claim")
	e.refused("another node", ofNode, "does not match service account node ref claim")
	e.user(ofNone)
	e.remove("serviceaccounts", "ns", "robot")
	e.refused("account", ofNone, `serviceaccounts "robot" not found`)
	create(e, "serviceaccounts", &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "robot"}})
	e.refused("another account", ofNone, "service account UID")
	e.refused("no account at all", e.token(Bound{}, func(c *Claims) { c.Kubernetes = boundClaims{} }), "parameter required")
}

func TestTokensOfWhatIsBeingDeleted(t *testing.T) {
	e := newEnv(t)
	pod := create(e, "pods", &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p", Finalizers: []string{"example.com/x"}}})
	token := e.token(Bound{Pod: pod})
	e.remove("pods", "ns", "p")
	e.now = e.now.Add(30 * time.Second)
	e.user(token)
	e.now = e.now.Add(time.Minute)
	e.refused("pod that has ended", token, "has been invalidated")
}

func TestUseOfOldTokensIsNoted(t *testing.T) {
	e := newEnv(t)
	token, err := e.keys.Sign(issuer, NewClaims(e.account, Bound{}, []string{audience}, e.now, 24*time.Hour, time.Hour))
	e.must(err)
	noted := func() string {
		id, err := e.authenticator().AuthenticateToken(context.Background(), token, nil)
		e.must(err)
		return id.Annotations["authentication.k8s.io/stale-token"]
	}
	if n := noted(); n != "" {
		t.Error(n)
	}
	e.now = e.now.Add(time.Hour + 5*time.Second)
	if n := noted(); n != "subject: system:serviceaccount:ns:robot, seconds after warning threshold: 5" {
		t.Error(n)
	}
}

func TestSplitUsername(t *testing.T) {
	check := func(user, namespace, name string, ok bool) {
		t.Helper()
		if ns, n, is := SplitUsername(user); ns != namespace && ok || n != name && ok || is != ok {
			t.Errorf("%q: %q %q %v", user, ns, n, is)
		}
	}
	check(Username("ns", "a.b"), "ns", "a.b", true)
	for _, s := range []string{"", "system:serviceaccount:", "system:serviceaccount:ns", "system:serviceaccount:ns:", "system:serviceaccount::a", "system:serviceaccount:ns:a:b", "system:serviceaccount:N:a", "x:ns:a"} {
		check(s, "", "", false)
	}
}

func FuzzToken(f *testing.F) {
	e := newEnv(f)
	good := e.token(Bound{})
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add("..")
	f.Add("e30.e30.")
	f.Add(strings.Replace(good, ".", "..", 1))
	a := e.authenticator()
	legacy := NewLegacy(LegacyOptions{Keys: e.keys, Lookup: Lookup{e.registry}, Now: e.clock})
	f.Fuzz(func(t *testing.T, token string) {
		if id, err := a.AuthenticateToken(context.Background(), token, nil); id != nil && (err != nil || !sameToken(token, good)) {
			t.Errorf("%q is %v", token, id.User)
		}
		if id, _ := legacy.AuthenticateToken(context.Background(), token, nil); id != nil {
			t.Errorf("%q is %v", token, id.User)
		}
	})
}

// sameToken compares what is signed: base64 has several spellings of the last
// letter.
func sameToken(a, b string) bool {
	return strings.HasPrefix(a, b[:strings.LastIndexByte(b, '.')])
}

func BenchmarkVerify(b *testing.B) {
	e := newEnv(b)
	token, a := e.token(Bound{}), e.authenticator()
	for b.Loop() {
		if id, err := a.AuthenticateToken(context.Background(), token, nil); id == nil || err != nil {
			b.Fatal(err)
		}
	}
}
