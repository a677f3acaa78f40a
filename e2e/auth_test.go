package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// request makes a key and a certificate request for a name.
func request(t *testing.T, user string, groups ...string) (keyFile, csr string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: user, Organization: groups}}, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	keyFile = filepath.Join(t.TempDir(), user+".key")
	write(t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	return keyFile, base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCertificatesByKubectl(t *testing.T) {
	k := newKubectl(t, start(t, t.TempDir()))
	ask := func(name, csr string) {
		t.Helper()
		k.runWith("apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata: {name: "+name+"}\n"+
			"spec: {signerName: kubernetes.io/kube-apiserver-client, usages: [client auth], expirationSeconds: 3600, request: "+csr+"}\n", "create -f -", "created")
	}
	keyFile, csr := request(t, "dora", "dev")
	ask("dora", csr)
	ask("mallory", csr)
	k.run("get csr", "dora", "kubernetes.io/kube-apiserver-client kubernetes-admin 60m Pending")
	k.run("certificate deny mallory", "certificatesigningrequest.certificates.k8s.io/mallory denied")
	k.run("get csr mallory", "Denied")
	k.fails(1, "certificate approve mallory", `certificate signing request "mallory" is already Denied`)
	k.run("certificate approve dora", "certificatesigningrequest.certificates.k8s.io/dora approved")
	k.run("wait csr/dora --for=jsonpath={.status.certificate} --timeout=150s", "condition met")
	k.run("get csr dora", "Approved,Issued")
	k.run("get csr mallory -o jsonpath={.status}", "Denied")

	encoded := k.run("get csr dora -o jsonpath={.status.certificate}")
	certificate, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		t.Fatal(err)
	}
	certFile := strings.TrimSuffix(keyFile, ".key") + ".crt"
	write(t, certFile, certificate)
	dora := *k
	dora.p = &process{kubeconfig: filepath.Join(t.TempDir(), "config")}
	dora.run("config set-cluster c --server="+k.p.url+" --insecure-skip-tls-verify", "set")
	dora.run("config set-credentials dora --client-certificate="+certFile+" --client-key="+keyFile+" --embed-certs", "set")
	dora.run("config set-context x --cluster=c --user=dora", "created")
	dora.run("config use-context x")
	dora.run("auth whoami", "Username dora", "dev", "X509SHA256=")
	dora.fails(1, "get cm", `User "dora" cannot list resource "configmaps"`)
	k.run("create rolebinding dev --clusterrole=view --group=dev", "created")
	dora.run("auth can-i list cm", "yes")
	dora.run("get cm", "kube-root-ca.crt")
	dora.run("auth can-i --list", "selfsubjectaccessreviews.authorization.k8s.io", "configmaps [] [] [get list watch]")
	dora.fails(1, "auth can-i list secrets", "no")
	// Nobody gets a certificate of the masters this way.
	_, masters := request(t, "root", "system:masters")
	_, errs, code := k.try("apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata: {name: root}\n"+
		"spec: {signerName: kubernetes.io/kube-apiserver-client, usages: [client auth], request: "+masters+"}\n", "create", "-f", "-")
	if code != 1 || !strings.Contains(errs, "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed") {
		t.Errorf("a certificate of system:masters: %d %s", code, errs)
	}
}

func TestReconcileByKubectl(t *testing.T) {
	k := newKubectl(t, start(t, t.TempDir()))
	const roles = `apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: r, namespace: default}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: r, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: dora}]
`
	k.runWith(roles, "auth reconcile -f -", "role.rbac.authorization.k8s.io/r reconciled", "rolebinding.rbac.authorization.k8s.io/r reconciled")
	k.run("auth can-i get pods --as=dora", "yes")
	more := strings.ReplaceAll(strings.ReplaceAll(roles, "verbs: [get]", "verbs: [list]"), "name: dora", "name: carl")
	k.runWith(more, "auth reconcile -f -", "reconciled", "missing rules added")
	k.run("auth can-i list pods --as=dora", "yes")
	k.run("auth can-i get pods --as=carl", "yes")
	k.runWith(more, "auth reconcile -f - --remove-extra-permissions --remove-extra-subjects", "extra rules removed", "extra subjects removed")
	k.fails(1, "auth can-i get pods --as=carl", "no")
	k.fails(1, "auth can-i list pods --as=dora", "no")
	k.run("auth can-i list pods --as=carl", "yes")
}
