package apitest_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/apitest"
	"pilothouse/backend/config"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	infoPath = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
	csrPath  = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
)

func newBootstrapToken(c *apitest.Caller, id, secret, more string) {
	c.Post("/api/v1/namespaces/kube-system/secrets", `{"metadata":{"name":"bootstrap-token-`+id+`"},"type":"bootstrap.kubernetes.io/token","stringData":{
		"token-id":"`+id+`","token-secret":"`+secret+`","usage-bootstrap-authentication":"true"`+more+`}}`).Must(201)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// TestANodeJoins goes the way of kubeadm join: from a token alone to a node of
// the cluster.
func TestANodeJoins(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{Change: func(o *config.Options) { o.Authn.EnableBootstrapToken = true }})
	c := s.Admin()
	const id, secret = "abcdef", "0123456789abcdef"

	// Who knows a token verifies what it learns about the cluster by it.
	newBootstrapToken(c, "silent", "0123456789abcdef", "") // it does not sign
	if code := s.Anonymous().Get(infoPath).Code; code != 403 {
		t.Errorf("cluster-info is %d without a token that signs", code)
	}
	newBootstrapToken(c, id, secret, `,"usage-bootstrap-signing":"true","auth-extra-groups":"system:bootstrappers:kubeadm:default-node-token"`)
	var info corev1.ConfigMap
	awaits(t, "true", func() string {
		a := s.Anonymous().Get(infoPath)
		if a.Code == 200 {
			a.Into(&info)
		}
		if _, signed := info.Data["jws-kubeconfig-"+id]; signed {
			return "true"
		}
		return "false"
	})
	header := encode([]byte(`{"alg":"HS256","kid":"` + id + `"}`))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(header + "." + encode([]byte(info.Data["kubeconfig"]))))
	if want := header + ".." + encode(mac.Sum(nil)); info.Data["jws-kubeconfig-"+id] != want || len(info.Data) != 2 {
		t.Errorf("the signatures are %v, want %s", info.Data, want)
	}
	kubeconfig, err := clientcmd.Load([]byte(info.Data["kubeconfig"]))
	if err != nil || kubeconfig.Clusters[""].Server != s.URL() {
		t.Fatal(err, info.Data["kubeconfig"])
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(kubeconfig.Clusters[""].CertificateAuthorityData)

	// The token gets it a certificate, if bootstrappers may have one by themselves.
	bind := func(name, role, group string) {
		c.Post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", `{"metadata":{"name":"`+name+`"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"`+role+`"},
			"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"Group","name":"`+group+`"}]}`).Must(201)
	}
	bind("bootstrap", "system:node-bootstrapper", "system:bootstrappers:kubeadm:default-node-token")
	bind("approve", "system:certificates.k8s.io:certificatesigningrequests:nodeclient", "system:bootstrappers:kubeadm:default-node-token")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "system:node:new", Organization: []string{"system:nodes"}}}, key)
	if err != nil {
		t.Fatal(err)
	}
	request, err := json.Marshal(certificatesv1.CertificateSigningRequestSpec{
		Request: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), SignerName: certificatesv1.KubeAPIServerClientKubeletSignerName,
		Usages: []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth},
	})
	if err != nil {
		t.Fatal(err)
	}
	joining := []string{"Authorization", "Bearer " + id + "." + secret}
	s.Anonymous().Do("POST", csrPath, `{"metadata":{"name":"new"},"spec":`+string(request)+`}`, joining...).Must(201)
	var signed certificatesv1.CertificateSigningRequest
	awaits(t, "signed", func() string {
		s.Anonymous().Do("GET", csrPath+"/new", nil, joining...).Must(200).Into(&signed)
		if len(signed.Status.Certificate) > 0 {
			return "signed"
		}
		return ""
	})

	// With that it is the node, and has its rights.
	block, _ := pem.Decode(signed.Status.Certificate)
	node := &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{
		RootCAs: roots, Certificates: []tls.Certificate{{Certificate: [][]byte{block.Bytes}, PrivateKey: key}},
	}}}
	defer node.CloseIdleConnections()
	for resource, want := range map[string]int{"nodes": 201, "namespaces": 403} {
		r, err := node.Post(s.URL()+"/api/v1/"+resource, "application/json", strings.NewReader(`{"metadata":{"name":"new"}}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != want {
			t.Errorf("the node gets %d for %s, want %d", r.StatusCode, resource, want)
		}
	}

	// Tokens that go take their signature along, and expired ones go.
	newBootstrapToken(c, "fedcba", "0123456789abcdef", `,"usage-bootstrap-signing":"true","expiration":"2020-01-01T00:00:00Z"`)
	awaits(t, "404", codeOf(c, "/api/v1/namespaces/kube-system/secrets/bootstrap-token-fedcba"))
	c.Delete("/api/v1/namespaces/kube-system/secrets/bootstrap-token-" + id).Must(200)
	awaits(t, "false", func() string {
		if bytes.Contains(c.Get(infoPath).Must(200).Body, []byte("jws-kubeconfig-")) {
			return "true"
		}
		return "false"
	})
}
