package controllers

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"net"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/pki"
	"pilothouse/backend/request"

	authorizationv1 "k8s.io/api/authorization/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// requestFor makes a request for a certificate.
func requestFor(t *testing.T, signer string, x *x509.CertificateRequest, usages ...certificatesv1.KeyUsage) *csr {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, x, key)
	if err != nil {
		t.Fatal(err)
	}
	return &csr{ObjectMeta: metav1.ObjectMeta{Name: "r"}, Spec: certificatesv1.CertificateSigningRequestSpec{
		Request: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), SignerName: signer, Usages: usages, Username: "system:node:n",
	}}
}

func nodeRequest(change func(*x509.CertificateRequest)) *x509.CertificateRequest {
	x := &x509.CertificateRequest{Subject: pkix.Name{CommonName: "system:node:n", Organization: []string{"system:nodes"}}}
	if change != nil {
		change(x)
	}
	return x
}

const (
	digital, encipherment = certificatesv1.UsageDigitalSignature, certificatesv1.UsageKeyEncipherment
	clientAuth, serving   = certificatesv1.UsageClientAuth, certificatesv1.UsageServerAuth
)

// api is a server that answers access reviews and notes updates.
type api struct {
	allowed []string // subresources
	asked   []authorizationv1.SubjectAccessReviewSpec
	updated *csr
	path    string
}

func (a *api) serve(_ context.Context, r *request.Request) (*request.Response, error) {
	if strings.HasSuffix(r.Path, "/subjectaccessreviews") {
		var review authorizationv1.SubjectAccessReview
		if err := json.Unmarshal(r.Body, &review); err != nil {
			return nil, err
		}
		a.asked = append(a.asked, review.Spec)
		for _, s := range a.allowed {
			review.Status.Allowed = review.Status.Allowed || s == review.Spec.ResourceAttributes.Subresource
		}
		body, err := json.Marshal(review)
		return &request.Response{Status: 201, Body: body}, err
	}
	a.path, a.updated = r.Path, &csr{}
	return &request.Response{Body: r.Body}, json.Unmarshal(r.Body, a.updated)
}

func newDeps(t *testing.T, a *api) Deps {
	t.Helper()
	keys, err := pki.Open(t.TempDir(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return Deps{Client: client.New(a.serve, &request.User{Name: "c"}, "test"), Clock: time.Now, CA: keys.CA}
}

func approved(r *csr) *csr {
	return withCondition(r, certificatesv1.CertificateApproved, "Test", "")
}

func TestSigning(t *testing.T) {
	a := &api{}
	d := newDeps(t, a)
	run := func(r *csr) *csr {
		t.Helper()
		a.updated = nil
		if err := signRequest(context.Background(), d, r); err != nil {
			t.Error(err)
		}
		return a.updated
	}
	signed := func(what string, r *csr) *x509.Certificate {
		t.Helper()
		got := run(approved(r))
		if got == nil || len(got.Status.Certificate) == 0 || a.path != "/apis/certificates.k8s.io/v1/certificatesigningrequests/r/status" {
			t.Fatalf("%s: %+v", what, got)
		}
		block, rest := pem.Decode(got.Status.Certificate)
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil || len(bytes.TrimSpace(rest)) > 0 {
			t.Fatal(err)
		}
		if err := cert.CheckSignatureFrom(d.CA.Cert); err != nil || cert.IsCA {
			t.Errorf("%s: %v, authority %v", what, err, cert.IsCA)
		}
		return cert
	}
	failed := func(what, message string, r *csr) {
		t.Helper()
		got := run(approved(r))
		if got == nil || len(got.Status.Certificate) > 0 || !has(got, certificatesv1.CertificateFailed) {
			t.Errorf("%s: %+v", what, got)
			return
		}
		if c := got.Status.Conditions[1]; c.Reason != "SignerValidationFailure" || c.Message != message {
			t.Errorf("%s: %+v", what, c)
		}
	}
	ignored := func(what string, r *csr) {
		t.Helper()
		if got := run(r); got != nil {
			t.Errorf("%s: %+v", what, got)
		}
	}
	const apiClient, kubeletClient, kubeletServing = certificatesv1.KubeAPIServerClientSignerName, certificatesv1.KubeAPIServerClientKubeletSignerName, certificatesv1.KubeletServingSignerName
	alice := &x509.CertificateRequest{Subject: pkix.Name{CommonName: "alice", Organization: []string{"dev"}}, DNSNames: []string{"a"}}

	cert := signed("a client", requestFor(t, apiClient, alice, clientAuth, digital))
	if cert.Subject.CommonName != "alice" || !reflect.DeepEqual(cert.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}) || cert.KeyUsage != x509.KeyUsageDigitalSignature {
		t.Errorf("%+v", cert)
	}
	if life := cert.NotAfter.Sub(cert.NotBefore); life != maxCertificateLife {
		t.Errorf("life %v", life)
	}
	short, tooShort, tooLong := int32(3600), int32(600), int32(1<<30)
	r := requestFor(t, apiClient, alice, clientAuth)
	r.Spec.ExpirationSeconds = &short
	if left := time.Until(signed("an hour", r).NotAfter); left < 59*time.Minute || left > time.Hour {
		t.Errorf("%v left", left)
	}
	r.Spec.ExpirationSeconds = &tooShort
	if left := time.Until(signed("ten minutes", r).NotAfter); left < 9*time.Minute {
		t.Errorf("%v left", left)
	}
	r.Spec.ExpirationSeconds = &tooLong
	if left := time.Until(signed("34 years", r).NotAfter); left > maxCertificateLife {
		t.Errorf("%v left", left)
	}
	if certificateLife(ptr(int32(1))) != minCertificateLife {
		t.Error("shorter than the least")
	}
	signed("a kubelet's client", requestFor(t, kubeletClient, nodeRequest(nil), clientAuth, digital))
	signed("a kubelet's client with RSA", requestFor(t, kubeletClient, nodeRequest(nil), clientAuth, digital, encipherment))
	cert = signed("a kubelet's server", requestFor(t, kubeletServing, nodeRequest(func(x *x509.CertificateRequest) { x.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 1)} }), serving, digital))
	if len(cert.IPAddresses) != 1 || !reflect.DeepEqual(cert.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) {
		t.Errorf("%+v", cert)
	}

	failed("no client usage", "missing required usage for client certificate: client auth", requestFor(t, apiClient, alice, digital))
	failed("a server's usage", "invalid usage for client certificate: server auth", requestFor(t, apiClient, alice, clientAuth, serving))
	failed("an authority's usage", "invalid usage for client certificate: cert sign", requestFor(t, apiClient, alice, clientAuth, certificatesv1.UsageCertSign))
	node := func(message string, change func(*x509.CertificateRequest), signer string, usages ...certificatesv1.KeyUsage) {
		t.Helper()
		failed(message, message, requestFor(t, signer, nodeRequest(change), usages...))
	}
	dns := func(x *x509.CertificateRequest) { x.DNSNames = []string{"n"} }
	mail := func(x *x509.CertificateRequest) { dns(x); x.EmailAddresses = []string{"a@b"} }
	uri := func(x *x509.CertificateRequest) { dns(x); x.URIs = []*url.URL{{Scheme: "https", Host: "x"}} }
	node("subject organization is not system:nodes", func(x *x509.CertificateRequest) { x.Subject.Organization = []string{"system:nodes", "system:masters"} }, kubeletClient, clientAuth, digital)
	node("subject common name does not begin with system:node:", func(x *x509.CertificateRequest) { x.Subject.CommonName = "admin" }, kubeletClient, clientAuth, digital)
	node("DNS subjectAltNames are not allowed", dns, kubeletClient, clientAuth, digital)
	node("Email subjectAltNames are not allowed", func(x *x509.CertificateRequest) { x.EmailAddresses = []string{"a@b"} }, kubeletClient, clientAuth, digital)
	node("IP subjectAltNames are not allowed", func(x *x509.CertificateRequest) { x.IPAddresses = []net.IP{net.IPv4(1, 2, 3, 4)} }, kubeletClient, clientAuth, digital)
	node("URI subjectAltNames are not allowed", func(x *x509.CertificateRequest) { x.URIs = []*url.URL{{Scheme: "https", Host: "x"}} }, kubeletClient, clientAuth, digital)
	node("usages did not match [client auth digital signature key encipherment]", nil, kubeletClient, clientAuth, digital, serving)
	node("DNS or IP subjectAltName is required", nil, kubeletServing, serving, digital)
	node("subject organization is not system:nodes", func(x *x509.CertificateRequest) { dns(x); x.Subject.Organization = nil }, kubeletServing, serving, digital)
	node("Email subjectAltNames are not allowed", mail, kubeletServing, serving, digital)
	node("URI subjectAltNames are not allowed", uri, kubeletServing, serving, digital)
	node("usages did not match [digital signature key encipherment server auth]", dns, kubeletServing, serving)
	node("subject common name does not begin with system:node:", func(x *x509.CertificateRequest) { dns(x); x.Subject.CommonName = "n" }, kubeletServing, serving, digital)

	good := requestFor(t, apiClient, alice, clientAuth)
	ignored("pending", good)
	ignored("denied", withCondition(good, certificatesv1.CertificateDenied, "", ""))
	ignored("failed", withCondition(approved(good), certificatesv1.CertificateFailed, "", ""))
	ignored("another's signer", approved(requestFor(t, "example.com/signer", alice, clientAuth)))
	d.CA = nil
	ignored("without an authority", approved(good))
}

func ptr[T any](v T) *T { return &v }

func TestSigningOfWhatIsNoRequest(t *testing.T) {
	a := &api{}
	d := newDeps(t, a)
	r := requestFor(t, certificatesv1.KubeAPIServerClientSignerName, nodeRequest(nil), clientAuth)
	r.Spec.Request = []byte("junk")
	if err := signRequest(context.Background(), d, approved(r)); err == nil || a.updated != nil {
		t.Errorf("%v %v", err, a.updated)
	}
}

func TestApproving(t *testing.T) {
	a := &api{}
	d := newDeps(t, a)
	kubelet := requestFor(t, certificatesv1.KubeAPIServerClientKubeletSignerName, nodeRequest(nil), clientAuth, digital)
	kubelet.Spec.Groups, kubelet.Spec.Extra = []string{"g"}, map[string]certificatesv1.ExtraValue{"k": {"v"}}
	check := func(what string, r *csr, message string, asked int, allowed ...string) {
		t.Helper()
		a.allowed, a.asked, a.updated = allowed, nil, nil
		again, err := approve(context.Background(), d, r)
		if err != nil || len(a.asked) != asked || (a.updated != nil) != (message != "") || (again > 0) != (asked > 0 && message == "") {
			t.Errorf("%s: asked %d, %+v, again in %v, %v", what, len(a.asked), a.updated, again, err)
			return
		}
		if message == "" {
			return
		}
		if c := a.updated.Status.Conditions[0]; c.Type != certificatesv1.CertificateApproved || c.Reason != "AutoApproved" || c.Message != message || !strings.HasSuffix(a.path, "/r/approval") {
			t.Errorf("%s: %+v by %s", what, c, a.path)
		}
	}
	const own, any = "Auto approving self kubelet client certificate after SubjectAccessReview.", "Auto approving kubelet client certificate after SubjectAccessReview."
	check("its own", kubelet, own, 1, "selfnodeclient", "nodeclient")
	if s := a.asked[0]; s.User != "system:node:n" || s.Groups[0] != "g" || s.Extra["k"][0] != "v" || s.ResourceAttributes.Verb != "create" ||
		s.ResourceAttributes.Group != "certificates.k8s.io" || s.ResourceAttributes.Resource != "certificatesigningrequests" {
		t.Errorf("%+v", s)
	}
	check("any node's", kubelet, any, 2, "nodeclient")
	check("nobody's", kubelet, "", 2)
	other := kubelet.DeepCopy()
	other.Spec.Username = "system:bootstrap:abcdef"
	check("a joining node's", other, any, 1, "nodeclient")
	check("another node's", other, "", 1, "selfnodeclient")
	check("already approved", approved(kubelet), "", 0, "nodeclient")
	check("already denied", withCondition(kubelet, certificatesv1.CertificateDenied, "", ""), "", 0, "nodeclient")
	check("serving", requestFor(t, certificatesv1.KubeletServingSignerName, nodeRequest(nil), serving, digital), "", 0, "nodeclient", "selfnodeclient")
	check("with other usages", requestFor(t, certificatesv1.KubeAPIServerClientKubeletSignerName, nodeRequest(nil), serving), "", 0, "nodeclient", "selfnodeclient")
	check("as a master", requestFor(t, certificatesv1.KubeAPIServerClientKubeletSignerName, nodeRequest(func(x *x509.CertificateRequest) { x.Subject.Organization = []string{"system:masters"} }), clientAuth, digital), "", 0, "nodeclient", "selfnodeclient")
}

func TestCleaning(t *testing.T) {
	now := time.Now()
	check := func(what string, want bool, r *csr) {
		t.Helper()
		if isOver(r, now) != want {
			t.Errorf("%s: %v", what, !want)
		}
	}
	at := func(ago time.Duration, types ...certificatesv1.RequestConditionType) *csr {
		r := &csr{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(now.Add(-ago))}}
		for _, t := range types {
			r = withCondition(r, t, "", "")
			r.Status.Conditions[len(r.Status.Conditions)-1].LastUpdateTime = metav1.NewTime(now.Add(-ago))
		}
		return r
	}
	check("pending for a while", false, at(23*time.Hour))
	check("pending for long", true, at(25*time.Hour))
	for _, c := range []certificatesv1.RequestConditionType{certificatesv1.CertificateApproved, certificatesv1.CertificateDenied, certificatesv1.CertificateFailed} {
		check("just "+string(c), false, at(59*time.Minute, c))
		check(string(c)+" for long", true, at(61*time.Minute, c))
	}
	d := newDeps(t, &api{})
	r := requestFor(t, certificatesv1.KubeAPIServerClientSignerName, nodeRequest(nil), clientAuth)
	r.Spec.ExpirationSeconds = ptr(int32(600))
	x, err := parseRequest(r)
	if err != nil {
		t.Fatal(err)
	}
	issued := at(time.Minute, certificatesv1.CertificateApproved)
	if issued.Status.Certificate, err = sign(d.CA, x, r, now.Add(-9*time.Minute)); err != nil {
		t.Fatal(err)
	}
	check("with a certificate", false, issued)
	now = now.Add(2 * time.Minute)
	check("with an expired certificate", true, issued)
}
