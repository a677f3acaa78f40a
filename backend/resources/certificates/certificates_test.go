package certificates

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"slices"
	"testing"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/resources/resourcetest"
)

func kind(t *testing.T) resourcetest.Kind[*csr] {
	t.Helper()
	return resourcetest.Of[*csr](t, Resources(&registry.Env{Clock: resourcetest.Now}), "certificatesigningrequests")
}

// newRequest and newCertificate give PEM in base64, as JSON has it.
func newRequest(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "dora"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

func newCertificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestRequests(t *testing.T) {
	k := kind(t)
	good := newRequest(t)
	k.Create("spec: {signerName: example.com/s, usages: [client auth], expirationSeconds: 600, request: " + good + "}")
	k.Create("spec: {signerName: kubernetes.io/legacy-unknown, usages: [client auth, dance, client auth], expirationSeconds: 599, request: "+good+"}",
		`spec.usages[1]: Unsupported value: "dance": supported values: "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment", "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel", "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime", "server auth", "signing", "timestamping"`,
		`spec.usages[2]: Duplicate value: "client auth"`,
		`spec.signerName: Invalid value: "kubernetes.io/legacy-unknown": the legacy signerName is not allowed via this API version`,
		`spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)`)
	errs := k.Strategy.Validate(k.Ctx, k.New("spec: {signerName: no-slash, request: YQ==}"))
	if len(errs) != 3 || errs[0].Detail != "PEM block type must be CERTIFICATE REQUEST" || errs[1].Field != "spec.usages" || errs[2].Field != "spec.signerName" {
		t.Errorf("got %v", errs)
	}
}

func TestWhoAsks(t *testing.T) {
	k := kind(t)
	k.Ctx = request.With(k.Ctx, &request.Request{User: &request.User{Name: "dora", UID: "u", Groups: []string{"g"}, Extra: map[string][]string{"a": {"b"}}}})
	r := k.New("{spec: {username: root, groups: [system:masters], signerName: example.com/s}, status: {conditions: [{type: Approved, status: 'True'}]}}")
	if s := r.Spec; s.Username != "dora" || s.UID != "u" || !slices.Equal(s.Groups, []string{"g"}) || !slices.Equal(s.Extra["a"], []string{"b"}) || r.Status.Conditions != nil {
		t.Errorf("%+v", r)
	}
}

func TestUpdateChangesNothing(t *testing.T) {
	k := kind(t)
	old := "{spec: {signerName: example.com/s, usages: [client auth], request: " + newRequest(t) + "}}"
	r := k.Update(old, "{metadata: {labels: {a: b}}, spec: {signerName: example.com/t}, status: {certificate: YQ==}}")
	if r.Spec.SignerName != "example.com/s" || r.Status.Certificate != nil || r.Labels["a"] != "b" {
		t.Errorf("%+v", r)
	}
}

func TestApproval(t *testing.T) {
	k := kind(t)
	spec := "spec: {signerName: example.com/s, usages: [client auth], request: " + newRequest(t) + "}"
	approved := spec + ", status: {conditions: [{type: Approved, status: 'True', reason: Fine}]}"
	r := k.UpdateSubresource("approval", "{"+spec+"}", "{"+approved+"}")
	if c := r.Status.Conditions[0]; !c.LastUpdateTime.Time.Equal(resourcetest.Now()) || !c.LastTransitionTime.Time.Equal(resourcetest.Now()) {
		t.Errorf("times %+v", c)
	}
	k.UpdateSubresource("approval", "{"+approved+"}", "{"+spec+"}",
		`status.conditions: Forbidden: updates may not remove a condition of type "Approved"`)
	k.UpdateSubresource("approval", "{"+spec+"}", "{"+spec+", status: {conditions: [{type: Approved, status: 'True'}, {type: Denied, status: 'True'}, {type: Denied, status: 'False'}, {status: Odd}]}}",
		`status.conditions: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive`,
		`status.conditions[2].status: Unsupported value: "False": supported values: "True"`,
		`status.conditions: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive`,
		`status.conditions[2].type: Duplicate value: "Denied"`,
		`status.conditions[3].type: Required value`,
		`status.conditions[3].status: Unsupported value: "Odd": supported values: "False", "True", "Unknown"`)
	k.UpdateSubresource("status", "{"+spec+"}", "{"+approved+"}",
		`status.conditions: Forbidden: updates may not add a condition of type "Approved"`)
}

func TestCertificate(t *testing.T) {
	k := kind(t)
	spec := "spec: {signerName: example.com/s, usages: [client auth], request: " + newRequest(t) + "}"
	issued := "{" + spec + ", status: {certificate: " + newCertificate(t) + "}}"
	k.UpdateSubresource("status", "{"+spec+"}", issued)
	k.UpdateSubresource("status", issued, "{"+spec+", status: {certificate: "+newCertificate(t)+"}}",
		`status.certificate: Forbidden: updates may not modify existing certificate content`)
	if r := k.UpdateSubresource("approval", "{"+spec+"}", issued); r.Status.Certificate != nil {
		t.Error("an approver set the certificate")
	}
	k.UpdateSubresource("status", "{"+spec+"}", "{"+spec+", status: {certificate: YQ==}}",
		`status.certificate: Invalid value: "<certificate data>": must contain at least one CERTIFICATE PEM block`)
	k.UpdateSubresource("status", "{"+spec+"}", "{"+spec+", status: {certificate: "+newRequest(t)+"}}",
		`status.certificate: Invalid value: "<certificate data>": only CERTIFICATE PEM blocks are allowed, found "CERTIFICATE REQUEST"`)
}

func TestTable(t *testing.T) {
	k := kind(t)
	const head = "metadata: {name: r, creationTimestamp: '2026-01-01T00:00:00Z'}, spec: {signerName: example.com/s, username: dora, expirationSeconds: 3600}"
	k.Row("{"+head+"}", "r | 120m | example.com/s | dora | 60m | Pending")
	k.Row("{"+head+", status: {conditions: [{type: Approved}]}}", "r | 120m | example.com/s | dora | 60m | Approved")
	k.Row("{"+head+", status: {certificate: YQ==, conditions: [{type: Approved}, {type: Failed}]}}", "r | 120m | example.com/s | dora | 60m | Approved,Failed,Issued")
	k.Row("{metadata: {name: r}, spec: {signerName: s}, status: {conditions: [{type: Denied}]}}", "r | <unknown> | s |  | <none> | Denied")
}
