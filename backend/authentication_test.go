package backend_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pilothouse/backend"
	"pilothouse/backend/apitest"
	"pilothouse/backend/config"

	authenticationv1 "k8s.io/api/authentication/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const reviewSelf = "/apis/authentication.k8s.io/v1/selfsubjectreviews"

// raw sends a request exactly as it is written, and gives status and body.
func raw(t *testing.T, s *apitest.Server, cert *tls.Certificate, head string, body string) (int, string) {
	t.Helper()
	c := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the server of this test
	if cert != nil {
		// Shown whatever authorities the server names, as by somebody who tries.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	conn, err := tls.Dial("tcp", strings.TrimPrefix(s.URL(), "https://"), c)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute)) //nolint:errcheck // a test
	if body != "" {
		head += fmt.Sprintf("\r\nContent-Type: application/json\r\nContent-Length: %d", len(body))
	}
	if _, err := conn.Write([]byte(head + "\r\nHost: x\r\nConnection: close\r\n\r\n" + body)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%q: %v", head, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// whoami asks who the server takes a caller for: its name, or the status.
func whoami(t *testing.T, s *apitest.Server, cert *tls.Certificate, lines ...string) string {
	t.Helper()
	head := strings.Join(append([]string{"POST " + reviewSelf + " HTTP/1.1"}, lines...), "\r\n")
	code, body := raw(t, s, cert, head, `{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}`)
	if code != http.StatusCreated {
		return fmt.Sprint(code)
	}
	_, name, _ := strings.Cut(body, `"username":"`)
	name, _, _ = strings.Cut(name, `"`)
	return name
}

// ca is an authority of a test.
type ca struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newCA(t *testing.T) *ca {
	t.Helper()
	c := &ca{}
	pair := c.sign(t, "ca", func(x *x509.Certificate) { x.IsCA, x.KeyUsage = true, x509.KeyUsageCertSign })
	c.cert, c.key = pair.Leaf, pair.PrivateKey.(*ecdsa.PrivateKey) //nolint:forcetypeassert // sign made it
	return c
}

func (c *ca) sign(t *testing.T, name string, change func(*x509.Certificate)) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(x)
	}
	parent, signer := c.cert, c.key
	if parent == nil {
		parent, signer = x, key
	}
	der, err := x509.CreateCertificate(rand.Reader, x, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func (c *ca) file(t *testing.T) string {
	t.Helper()
	return writeFile(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.cert.Raw})))
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestNoWayIn(t *testing.T) {
	users, proxies := newCA(t), newCA(t)
	s := apitest.Start(t, apitest.Options{Users: []apitest.User{{Name: "alice"}, {Name: "bob"}}, Change: func(o *config.Options) {
		o.Authn.ClientCAFile = users.file(t)
		h := &o.Authn.RequestHeader
		h.ClientCAFile, h.AllowedNames, h.UsernameHeaders, h.GroupHeaders = proxies.file(t), []string{"proxy"}, []string{"X-Remote-User"}, []string{"X-Remote-Group"}
	}})
	const alice = "Authorization: Bearer token-alice"
	check := func(want string, cert *tls.Certificate, lines ...string) {
		t.Helper()
		if got := whoami(t, s, cert, lines...); got != want {
			t.Errorf("%v: %s, want %s", lines, got, want)
		}
	}
	check("alice", nil, alice)
	check("alice", nil, "AUTHORIZATION: bEARER token-alice")
	check("403", nil) // anonymous, which may not
	check("401", nil, "Authorization: Bearer token-alic")
	check("401", nil, "Authorization: Bearer nobody", alice) // the first one counts
	check("403", nil, "Authorization: Bearer  token-alice")
	check("403", nil, "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("alice:token-alice")))
	check("403", nil, "X-Remote-User: root", "X-Remote-Group: system:masters")
	check("alice", nil, alice, "X-Remote-User: root", "x-remote-group: system:masters")

	check("carol", users.sign(t, "carol", nil))
	check("carol", users.sign(t, "carol", nil), "X-Remote-User: root")
	check("401", newCA(t).sign(t, "carol", nil))
	check("401", users.sign(t, "carol", func(x *x509.Certificate) { x.NotAfter = time.Now().Add(-time.Minute) }))
	check("401", users.sign(t, "carol", func(x *x509.Certificate) { x.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }))
	check("alice", newCA(t).sign(t, "carol", nil), alice) // a good token beside a bad certificate, as in Kubernetes
	check("dora", proxies.sign(t, "proxy", nil), "x-REMOTE-user: dora")
	check("dora", proxies.sign(t, "proxy", nil), "X-Remote-User: dora", "X-Remote-User: root")
	check("401", proxies.sign(t, "other", nil), "X-Remote-User: root")
	check("401", proxies.sign(t, "proxy", nil)) // a proxy is nobody itself

	for _, name := range []string{"Impersonate-User", "impersonate-user", "IMPERSONATE-USER", "Impersonate-uSER"} {
		check("403", nil, alice, name+": bob")
	}
	check("403", nil, alice, "Impersonate-User: bob", "Impersonate-User: alice")
	check("400", nil, alice, "Impersonate-Group: system:masters")
	check("400", nil, alice, "impersonate-extra-scopes: x")
	check("400", nil, alice, "Impersonate-Uid: 1")
	check("alice", nil, alice, "Impersonate_User: root", "X-Impersonate-User: root")
	check("403", nil, "Impersonate-User: system:anonymous")
}

func TestPathsAreWhatTheyAreAuthorizedAs(t *testing.T) {
	s := apitest.Start(t, apitest.Options{Users: []apitest.User{{Name: "alice"}}})
	admin := s.Admin()
	for _, ns := range []string{"mine", "theirs"} {
		admin.Post("/api/v1/namespaces", &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}).Must(201)
		admin.Post("/api/v1/namespaces/"+ns+"/secrets", &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "s"}, StringData: map[string]string{"a": "secret of " + ns}}).Must(201)
	}
	rbac := "/apis/rbac.authorization.k8s.io/v1"
	admin.Post(rbac+"/namespaces/mine/roles", `{"metadata":{"name":"r"},"rules":[{"apiGroups":[""],"resources":["secrets"],"verbs":["get","list"]}]}`).Must(201)
	admin.Post(rbac+"/namespaces/mine/rolebindings", `{"metadata":{"name":"r"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"r"},"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"alice"}]}`).Must(201)
	admin.Post(rbac+"/clusterroles", `{"metadata":{"name":"u"},"rules":[{"nonResourceURLs":["/mine/*","/apis/*"],"verbs":["get"]}]}`).Must(201)
	admin.Post(rbac+"/clusterrolebindings", `{"metadata":{"name":"u"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"u"},"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"alice"}]}`).Must(201)

	theirs := base64.StdEncoding.EncodeToString([]byte("secret of theirs"))
	get := func(path string) (int, string) {
		t.Helper()
		return raw(t, s, nil, "GET "+path+" HTTP/1.1\r\nAuthorization: Bearer token-alice", "")
	}
	if code, _ := get("/api/v1/namespaces/mine/secrets/s"); code != 200 {
		t.Fatalf("her own: %d", code)
	}
	for _, path := range []string{
		"/api/v1/namespaces/theirs/secrets/s", "/api/v1/secrets", "/api/v1/namespaces/mine/../theirs/secrets/s", "/api/v1/namespaces/mine/%2e%2e/theirs/secrets/s",
		"/api/v1/namespaces/mine/..%2ftheirs/secrets/s", "/api/v1/namespaces/mine%2f..%2ftheirs/secrets/s", "/api/v1/namespaces/mine%2fsecrets%2fs/../../../theirs/secrets/s",
		"/api/v1/namespaces//theirs/secrets/s", "/api/v1//namespaces/theirs/secrets/s", "//api/v1/namespaces/theirs/secrets/s", "/api//v1/namespaces/theirs/secrets/s",
		"/api/v1/namespaces/theirs//secrets/s", "/api/v1/namespaces/./theirs/secrets/s", "/api/v1/namespaces/theirs/secrets/./s", "/api/v1/namespaces/theirs/secrets//s",
		"/api/v1/namespaces/theirs%2fsecrets%2fs", "/api%2fv1/namespaces/theirs/secrets/s", "/%61pi/v1/namespaces/theirs/secrets/s", "/api/v1/namespaces/theirs/secrets/s/", "/api/v1/namespaces/theirs/secrets/s%2f",
		"/api/v1/namespaces/mine/secrets/..%2f..%2ftheirs%2fsecrets%2fs", "/api/v1/namespaces/mine/secrets/..%252f..%252ftheirs", "/api/v1/namespaces/mine/secrets/s/../../../theirs/secrets/s",
		"/mine/../api/v1/namespaces/theirs/secrets/s", "/mine/..%2fapi/v1/namespaces/theirs/secrets/s", "/apis/../api/v1/namespaces/theirs/secrets/s", "/apis//api/v1/namespaces/theirs/secrets/s",
		"/API/v1/namespaces/theirs/secrets/s", "/api/v1/Namespaces/theirs/secrets/s", "/api/v1/watch/namespaces/theirs/secrets", "/api/v1/proxy/namespaces/theirs/secrets/s",
		"/api/v1/namespaces/theirs/secrets?namespace=mine", "/api/v1/namespaces/theirs/secrets/s;mine", "/api/v1/namespaces/theirs/secrets/s%00", "/api/v1/namespaces/theirs\\secrets\\s",
		"/api/v1/secrets?fieldSelector=metadata.namespace%3Dmine", "/api/v1/namespaces/theirs/secrets?fieldSelector=metadata.name%3Ds", "/api/v1/namespaces/mine/secrets?fieldSelector=metadata.namespace%3Dtheirs",
		"https://x/api/v1/namespaces/theirs/secrets/s", "/api/v1/namespaces/mine/secrets/s?x=/../../../theirs/secrets/s#/x",
	} {
		if code, body := get(path); strings.Contains(body, theirs) {
			t.Errorf("%s: %d, shows what is not hers", path, code)
		}
	}
	// The same with an absolute address that is hers in one part only.
	if code, body := get("https://mine/api/v1/namespaces/theirs/secrets/s"); code == 200 {
		t.Errorf("%d %s", code, body)
	}
}

func TestTokensOfServiceAccounts(t *testing.T) {
	s := apitest.Start(t)
	admin := s.Admin()
	admin.Post("/api/v1/namespaces/default/serviceaccounts", &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "robot"}}).Must(201)
	request := func(body string, code int) *authenticationv1.TokenRequest {
		t.Helper()
		r := &authenticationv1.TokenRequest{}
		a := admin.Post("/api/v1/namespaces/default/serviceaccounts/robot/token", body).Must(code)
		if code == 201 {
			a.Into(r)
		}
		return r
	}
	r := request(`{}`, 201)
	if *r.Spec.ExpirationSeconds != 3600 || r.Spec.Audiences[0] != "https://kubernetes.default.svc" || r.Name != "robot" || r.UID == "" {
		t.Errorf("%+v", r)
	}
	if got := whoami(t, s, nil, "Authorization: Bearer "+r.Status.Token); got != "system:serviceaccount:default:robot" {
		t.Error(got)
	}
	request(`{"metadata":{"name":"other"}}`, 422)
	request(fmt.Sprintf(`{"metadata":{"uid":%q}}`, r.UID), 201)
	request(`{"metadata":{"uid":"other"}}`, 409)
	request(`{"spec":{"expirationSeconds":4294967297}}`, 422)
	request(`{"spec":{"boundObjectRef":{"apiVersion":"apps/v1","kind":"Pod","name":"x"}}}`, 400)

	review := func(token string, audiences ...string) *authenticationv1.TokenReviewStatus {
		t.Helper()
		r := &authenticationv1.TokenReview{}
		admin.Post("/apis/authentication.k8s.io/v1/tokenreviews", &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: audiences}}).Must(201).Into(r)
		return &r.Status
	}
	if st := review(r.Status.Token); !st.Authenticated || st.User.Username != "system:serviceaccount:default:robot" {
		t.Errorf("%+v", st)
	}
	if st := review(r.Status.Token, "vault"); st.Authenticated || st.Error != `[invalid bearer token, token audiences ["https://kubernetes.default.svc"] is invalid for the target audiences ["vault"]]` {
		t.Errorf("%+v", st)
	}

	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "robot", Annotations: map[string]string{corev1.ServiceAccountNameKey: "robot"}}, Type: corev1.SecretTypeServiceAccountToken}
	w := admin.Watch("/api/v1/namespaces/default/secrets?fieldSelector=metadata.name%3Drobot")
	admin.Post("/api/v1/namespaces/default/secrets", secret).Must(201)
	token := ""
	for token == "" {
		token, _, _ = unstructured.NestedString(w.Next().Object.Object, "data", "token")
	}
	decoded, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	if got := whoami(t, s, nil, "Authorization: Bearer "+string(decoded)); got != "system:serviceaccount:default:robot" {
		t.Error(got)
	}
	used := admin.Get("/api/v1/namespaces/default/secrets/robot").Must(200).Object().GetLabels()["kubernetes.io/legacy-token-last-used"]
	if _, err := time.Parse(time.DateOnly, used); err != nil {
		t.Errorf("the token was used last on %q", used)
	}
	admin.Delete("/api/v1/namespaces/default/serviceaccounts/robot").Must(200)
	for w.Next().Type != "DELETED" { //nolint:revive // until the secret goes with its account
	}

	var configuration struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	admin.Get("/.well-known/openid-configuration").Must(200).Into(&configuration)
	if configuration.Issuer != "https://kubernetes.default.svc" || configuration.Keys != s.URL()+"/openid/v1/jwks" {
		t.Errorf("%+v", configuration)
	}
	if a := admin.Get("/openid/v1/jwks").Must(200); a.Header.Get("Content-Type") != "application/jwk-set+json" {
		t.Errorf("%v", a.Header)
	}
	s.Anonymous().Get("/openid/v1/jwks").Must(403)
}

func TestTrustIsPublished(t *testing.T) {
	s := apitest.Start(t)
	w := s.Admin().Watch("/api/v1/namespaces/kube-system/configmaps?fieldSelector=metadata.name%3Dextension-apiserver-authentication")
	e := w.Next()
	data, _, err := unstructured.NestedStringMap(e.Object.Object, "data")
	if err != nil {
		t.Fatal(err)
	}
	if data["requestheader-allowed-names"] != `["front-proxy-client"]` || data["requestheader-username-headers"] != `["X-Remote-User"]` || data["client-ca-file"] == data["requestheader-client-ca-file"] {
		t.Errorf("%v", data)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(data["requestheader-client-ca-file"])) {
		t.Fatal("no authority")
	}
	dir := filepath.Join(s.DataDir(), "pki")
	proxy, err := tls.LoadX509KeyPair(filepath.Join(dir, "front-proxy-client.crt"), filepath.Join(dir, "front-proxy-client.key"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := proxy.Leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Error(err)
	}
	if got := whoami(t, s, &proxy, "X-Remote-User: root"); got != "401" {
		t.Errorf("the server's own front proxy is %s here", got)
	}
}

func TestCertificatesBySigningRequests(t *testing.T) {
	s := apitest.Start(t)
	admin := s.Admin()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "dora", Organization: []string{"dev"}}}, key)
	if err != nil {
		t.Fatal(err)
	}
	const path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
	admin.Post(path, &certificatesv1.CertificateSigningRequest{ObjectMeta: metav1.ObjectMeta{Name: "dora"}, Spec: certificatesv1.CertificateSigningRequestSpec{
		Request: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), SignerName: certificatesv1.KubeAPIServerClientSignerName,
		Usages: []certificatesv1.KeyUsage{certificatesv1.UsageClientAuth},
	}}).Must(201)
	w := admin.Watch(path + "?fieldSelector=metadata.name%3Ddora")
	admin.Patch(path+"/dora/approval", `{"status":{"conditions":[{"type":"Approved","status":"True","reason":"Test","message":"x"}]}}`).Must(200)
	var signed certificatesv1.CertificateSigningRequest
	for len(signed.Status.Certificate) == 0 {
		e := w.Next()
		encoded, err := e.Object.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(encoded, &signed); err != nil {
			t.Fatal(err)
		}
	}
	block, _ := pem.Decode(signed.Status.Certificate)
	if got := whoami(t, s, &tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}); got != "dora" {
		t.Error(got)
	}
}

func TestOtherWaysIn(t *testing.T) {
	s := apitest.Start(t, apitest.Options{Change: func(o *config.Options) {
		o.Authn.BasicAuthFile = writeFile(t, "pass,bob,1,\"dev\"\n")
		o.Authn.EnableBootstrapToken = true
		o.Authn.ConfigFile = writeFile(t, "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\nanonymous: {enabled: true, conditions: [{path: /livez}]}\n")
	}})
	check := func(want string, lines ...string) {
		t.Helper()
		if got := whoami(t, s, nil, lines...); got != want {
			t.Errorf("%v: %s, want %s", lines, got, want)
		}
	}
	basic := func(credentials string) string {
		return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(credentials))
	}
	check("bob", basic("bob:pass"))
	check("401", basic("bob:wrong"))
	check("401", basic("bob"))
	check("401") // anonymous only where the configuration says
	s.Anonymous().Get("/livez").Must(200)
	s.Anonymous().Get("/livez/").Must(401)
	s.Anonymous().Get("/readyz").Must(401)
	check("401", "Authorization: Bearer abcdef.0123456789abcdef")
	s.Admin().Post("/api/v1/namespaces/kube-system/secrets", &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "bootstrap-token-abcdef"}, Type: "bootstrap.kubernetes.io/token",
		StringData: map[string]string{"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true"},
	}).Must(201)
	check("system:bootstrap:abcdef", "Authorization: Bearer abcdef.0123456789abcdef")
	check("401", "Authorization: Bearer abcdef.0123456789abcdeg")
}

func TestFaultsOfAuthenticationSettings(t *testing.T) {
	junk := writeFile(t, "junk")
	check := func(words string, change func(o *config.Authn)) {
		t.Helper()
		err := startWith(t, func(o *config.Options) { change(&o.Authn) })
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%v, want %s", err, words)
		}
	}
	check("--token-auth-file", func(o *config.Authn) { o.TokenAuthFile = junk })
	check("--basic-auth-file", func(o *config.Authn) { o.BasicAuthFile = junk })
	check("--authentication-config", func(o *config.Authn) { o.ConfigFile = junk })
	check("--authentication-token-webhook-config-file", func(o *config.Authn) { o.TokenWebhook.ConfigFile = junk })
	check("--service-account-key-file", func(o *config.Authn) { o.ServiceAccount.KeyFiles = []string{junk} })
	check("--service-account-signing-key-file", func(o *config.Authn) { o.ServiceAccount.SigningKeyFile = junk })
	check("--oidc-issuer-url", func(o *config.Authn) { o.OIDC.IssuerURL, o.OIDC.ClientID = "http://x", "y" })
	check("no certificate in PEM form", func(o *config.Authn) { o.RequestHeader.ClientCAFile = junk })
}

// startWith gives the error of a start.
func startWith(t *testing.T, change func(o *config.Options)) error {
	t.Helper()
	o := config.Default()
	o.Storage.DataDir, o.Serving.SecurePort, o.Serving.DashboardAddress = t.TempDir(), 0, ""
	change(o)
	s, err := backend.New(o)
	if err == nil {
		s.Close()
	}
	return err
}
