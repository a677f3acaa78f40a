package e2e

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
)

// certManagerChart gives cert-manager's own chart, put together as its release
// does it: with a name and with its definitions among the templates.
func certManagerChart(t *testing.T) string {
	t.Helper()
	deploy := realModule(t, "cert-manager", "github.com/cert-manager/cert-manager") + "/deploy/"
	chart := t.TempDir()
	if err := os.CopyFS(chart, os.DirFS(deploy+"charts/cert-manager")); err != nil {
		t.Fatal(err)
	}
	definitions, err := filepath.Glob(deploy + "crds/crd-*.yaml")
	if err != nil || len(definitions) != 6 {
		t.Fatalf("%d definitions, %v", len(definitions), err)
	}
	put := func(from, to string) {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(chart, to), b)
	}
	put(chart+"/Chart.template.yaml", "Chart.yaml")
	for _, d := range definitions {
		put(d, "templates/"+filepath.Base(d))
	}
	return chart
}

// TestRealCertManager runs cert-manager's controller, webhook and injector of
// authorities, and lets them issue.
func TestRealCertManager(t *testing.T) {
	programs := map[string]string{}
	for _, name := range []string{"controller", "webhook", "cainjector"} {
		programs[name] = realProgram(t, "cert-manager/"+name)
	}
	k := newKubectl(t, start(t, t.TempDir()))
	port := freePort(t)
	newHelm(t, k.p).run("install cert-manager "+certManagerChart(t)+" --namespace=cert-manager --create-namespace --no-hooks --set=global.leaderElection.namespace=cert-manager,startupapicheck.enabled=false,webhook.url.host=localhost:"+port, "STATUS: deployed")
	established(t, k, "certificates.cert-manager.io", "issuers.cert-manager.io")

	account := func(name string) string { return "--kubeconfig=" + asAccount(t, k, "cert-manager", name) }
	webhook := startReal(t, programs["webhook"], nil, account("cert-manager-webhook"), "--secure-port="+port, "--healthz-port="+freePort(t),
		"--dynamic-serving-ca-secret-namespace=cert-manager", "--dynamic-serving-ca-secret-name=cert-manager-webhook-ca", "--dynamic-serving-dns-names=localhost")
	injector := startReal(t, programs["cainjector"], nil, account("cert-manager-cainjector"), "--leader-election-namespace=cert-manager")
	controller := startReal(t, programs["controller"], nil, account("cert-manager"), "--leader-election-namespace=cert-manager",
		"--cluster-resource-namespace=cert-manager", "--metrics-listen-address=127.0.0.1:"+freePort(t))
	bundle := func(what, path string) func() bool {
		return func() bool { return len(k.run("get "+what+" -o jsonpath={"+path+"}")) > 100 }
	}
	for _, kind := range []string{"validating", "mutating"} {
		injector.awaits(t, "a webhook with an authority", bundle(kind+"webhookconfiguration cert-manager-webhook", ".webhooks[0].clientConfig.caBundle"))
	}
	k.run("get lease -n cert-manager", "cert-manager-cainjector-leader-election", "cert-manager-controller")

	// An authority that signs itself, and certificates by it.
	const first = "apiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {name: self, namespace: default}\nspec: {selfSigned: {}}\n"
	webhook.awaits(t, "a webhook that answers", func() bool { _, _, code := k.try(first, "apply", "-f", "-"); return code == 0 })
	k.runWith(`
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: ca, namespace: default}
spec: {isCA: true, commonName: an authority, secretName: ca, privateKey: {algorithm: ECDSA, size: 256}, issuerRef: {name: self}}
---
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: ca, namespace: default}
spec: {ca: {secretName: ca}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: web, namespace: default}
spec: {secretName: web, dnsNames: [web.example.org], duration: 2h, renewBefore: 1h, issuerRef: {name: ca}}
`, "apply -f -", "certificate.cert-manager.io/web created")
	k = k.as("--namespace=default")
	k.run("wait --for=condition=Ready certificate/web --timeout=55s", "condition met")
	k.run("get certificates", "NAME READY SECRET AGE", "web True web")
	k.run("get certificaterequests -o jsonpath='{.items[*].spec.username} {.items[*].status.conditions[?(@.type==\"Approved\")].status}'", "system:serviceaccount:cert-manager:cert-manager", "True")
	k.run("get events --field-selector=involvedObject.name=web -o jsonpath='{.items[*].reason}'", "Issuing", "Generated", "Requested")
	checkIssued(t, k, "web", "web.example.org")

	// What goes comes back, and an Ingress asks by an annotation.
	k.run("delete secret web", "deleted")
	controller.awaits(t, "a new Secret", func() bool { _, _, code := k.try("", "get", "secret", "web"); return code == 0 })
	k.run("wait --for=condition=Ready certificate/web --timeout=55s", "condition met")
	checkIssued(t, k, "web", "web.example.org")
	k.runWith(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, annotations: {cert-manager.io/issuer: ca}}
spec: {tls: [{hosts: [shop.example.org], secretName: shop-tls}], rules: [{host: shop.example.org, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: shop, port: {number: 80}}}}]}}]}
`, "apply -f -", "created")
	controller.awaits(t, "the Ingress's certificate", func() bool { _, _, code := k.try("", "get", "certificate", "shop-tls"); return code == 0 })
	k.run("wait --for=condition=Ready certificate/shop-tls --timeout=55s", "condition met")
	checkIssued(t, k, "shop-tls", "shop.example.org")

	// What the webhook refuses.
	_, errs, _ := k.try("apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: bad}\nspec: {secretName: bad, issuerRef: {name: ca}}\n", "apply", "-f", "-")
	k.has("apply", errs, `admission webhook "webhook.cert-manager.io" denied the request: spec: Invalid value: "": at least one of commonName, dnsNames, uris ipAddresses, or emailAddresses must be set`)

	// The injector fills in others' webhooks and conversions, too.
	k.runWith(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: other, annotations: {cert-manager.io/inject-ca-from: default/web}}
webhooks: [{name: other.example.org, sideEffects: None, admissionReviewVersions: [v1], failurePolicy: Ignore, clientConfig: {url: "https://localhost:1/"}, rules: [{apiGroups: [example.org], apiVersions: [v1], operations: [CREATE], resources: [nothings]}]}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.org, annotations: {cert-manager.io/inject-ca-from: default/web}}
spec:
  group: example.org
  scope: Namespaced
  names: {plural: things, kind: Thing}
  conversion: {strategy: Webhook, webhook: {conversionReviewVersions: [v1], clientConfig: {url: "https://localhost:1/"}}}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
`, "apply -f -", "created")
	injector.awaits(t, "another's webhook with an authority", bundle("validatingwebhookconfiguration other", ".webhooks[0].clientConfig.caBundle"))
	injector.awaits(t, "a conversion with an authority", bundle("crd things.example.org", ".spec.conversion.webhook.clientConfig.caBundle"))
	want := k.run("get secret web -o jsonpath={.data.ca\\.crt}")
	for _, path := range []string{"validatingwebhookconfiguration other -o jsonpath={.webhooks[0].clientConfig.caBundle}", "crd things.example.org -o jsonpath={.spec.conversion.webhook.clientConfig.caBundle}"} {
		if got := k.run("get " + path); got != want {
			t.Errorf("%s: the authority is not the certificate's", path)
		}
	}
	for _, r := range []*running{webhook, injector, controller} {
		r.alive(t)
	}
}

// checkIssued looks whether a Secret has a certificate of the authority for a name.
func checkIssued(t *testing.T, k *kubectl, secret, name string) {
	t.Helper()
	read := func(key string) *x509.Certificate {
		b, err := base64.StdEncoding.DecodeString(k.run("get secret " + secret + " -o jsonpath={.data." + key + "}"))
		block, _ := pem.Decode(b)
		if err != nil || block == nil {
			t.Fatalf("%s of %s: %v %s", key, secret, err, b)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	roots := x509.NewCertPool()
	roots.AddCert(read("ca\\.crt"))
	if _, err := read("tls\\.crt").Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
		t.Errorf("%s: %v", secret, err)
	}
}
