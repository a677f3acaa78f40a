package plugins

import (
	"slices"
	"strings"
	"testing"

	"pilothouse/backend/admission"
	"pilothouse/backend/request"
)

const (
	loud = `,"hostNetwork":true`
	// levels are labels of namespaces.
	enforceBaseline = `"pod-security.kubernetes.io/enforce":"baseline"`
	warnRestricted  = `"pod-security.kubernetes.io/warn":"restricted"`
	auditBaseline   = `"pod-security.kubernetes.io/audit":"baseline"`
)

// space makes a namespace with labels and gives a create of a pod in it.
func (w *world) space(name, labels string) func(object string) *admission.Attributes {
	w.have("namespaces", "", `{"metadata":{"name":"`+name+`","labels":{`+labels+`}}}`)
	return func(object string) *admission.Attributes {
		a := w.attributes(createPod(object))
		a.Namespace = name
		return a
	}
}

func TestPodSecurityModes(t *testing.T) {
	w := newWorld(t)
	c := w.only("", "PodSecurity")
	const violates = `pods "p" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)`
	strict := w.space("strict", enforceBaseline)
	if _, err := w.admit(c, strict(podNamed("p", loud))); err == nil || err.Error() != violates {
		t.Errorf("enforce: %v", err)
	}
	if _, err := w.admit(c, strict(podNamed("p", ""))); err != nil {
		t.Errorf("enforce of what is in order: %v", err)
	}
	w.warned()
	warned := w.space("warned", warnRestricted)
	if _, err := w.admit(c, warned(podNamed("p", ""))); err != nil {
		t.Errorf("warn: %v", err)
	}
	if got := w.warned(); len(got) != 1 || !strings.HasPrefix(got[0], `would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false`) {
		t.Errorf("warnings %q", got)
	}
	audited := w.space("audited", auditBaseline)
	if _, err := w.admit(c, audited(podNamed("p", loud))); err != nil {
		t.Errorf("audit: %v", err)
	}
	if got := w.req.Annotations()["pod-security.kubernetes.io/audit-violations"]; got != `would violate PodSecurity "baseline:latest": host namespaces (hostNetwork=true)` {
		t.Errorf("audit annotation %q", got)
	}
	if got := w.warned(); len(got) != 0 {
		t.Errorf("audit warns %q", got)
	}
	old := w.attributes(write{op: admission.Update, resource: "pods", object: podNamed("p", loud), old: podNamed("p", loud)})
	old.Namespace = "strict"
	if _, err := w.admit(c, old); err != nil {
		t.Errorf("an update that changes no image: %v", err)
	}
	old.Object.(interface{ SetLabels(map[string]string) }).SetLabels(nil)
	image := w.attributes(write{op: admission.Update, resource: "pods", object: strings.ReplaceAll(podNamed("p", loud), `"image":"i"`, `"image":"j"`), old: podNamed("p", loud)})
	image.Namespace = "strict"
	if _, err := w.admit(c, image); err == nil {
		t.Error("another image is let in")
	}
}

func TestPodSecurityOfTemplates(t *testing.T) {
	w := newWorld(t)
	c := w.only("", "PodSecurity")
	w.have("namespaces", "", `{"metadata":{"name":"strict","labels":{`+enforceBaseline+`,"pod-security.kubernetes.io/warn":"baseline"}}}`)
	a := w.attributes(write{op: admission.Create, resource: "deployments.apps", object: `{"metadata":{"name":"d"},"spec":{"template":{"spec":{"hostNetwork":true,"containers":[{"name":"c","image":"i"}]}}}}`})
	a.Namespace = "strict"
	if _, err := w.admit(c, a); err != nil {
		t.Errorf("a template is refused: %v", err)
	}
	if got := w.warned(); !slices.Equal(got, []string{`would violate PodSecurity "baseline:latest": host namespaces (hostNetwork=true)`}) {
		t.Errorf("warnings %q", got)
	}
}

func TestPodSecurityOfNamespaces(t *testing.T) {
	w := newWorld(t)
	c := w.only("", "PodSecurity")
	w.have("pods", "ns", podNamed("b", loud))
	w.have("pods", "ns", podNamed("a", loud))
	next := func(labels string) write {
		return write{op: admission.Update, resource: "namespaces", object: `{"metadata":{"name":"ns","labels":{` + labels + `}}}`, old: `{"metadata":{"name":"ns"}}`}
	}
	w.ok(c, next(enforceBaseline))
	want := []string{
		`existing pods in namespace "ns" violate the new PodSecurity enforce level "baseline:latest"`,
		`a (and 1 other pod): host namespaces`,
	}
	if got := w.warned(); !slices.Equal(got, want) {
		t.Errorf("warnings %q, want %q", got, want)
	}
	w.ok(c, next(`"pod-security.kubernetes.io/enforce":"privileged"`))
	if got := w.warned(); len(got) != 0 {
		t.Errorf("warnings of a looser level %q", got)
	}
	w.refused(c, next(`"pod-security.kubernetes.io/enforce":"odd"`), 422,
		`Namespace "ns" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "odd": must be one of privileged, baseline, restricted`)
	w.refused(c, write{op: admission.Create, resource: "namespaces", object: `{"metadata":{"name":"new","labels":{"pod-security.kubernetes.io/warn-version":"newest"}}}`}, 422,
		`Namespace "new" is invalid: metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: "newest": must be "latest" or "v1.x"`)
}

func TestPodSecuritySettings(t *testing.T) {
	w := newWorld(t)
	c := w.only(`
apiVersion: pod-security.admission.config.k8s.io/v1
kind: PodSecurityConfiguration
defaults: {enforce: baseline}
exemptions: {usernames: [root], namespaces: [free], runtimeClasses: [vm]}
`, "PodSecurity")
	in := w.space("plain", "")
	if _, err := w.admit(c, in(podNamed("p", loud))); err == nil {
		t.Error("the default level is not enforced")
	}
	root := in(podNamed("p", loud))
	root.User = &request.User{Name: "root"}
	if _, err := w.admit(c, root); err != nil {
		t.Errorf("an exempt user: %v", err)
	}
	if _, err := w.admit(c, in(podNamed("p", loud+`,"runtimeClassName":"vm"`))); err != nil {
		t.Errorf("an exempt runtime class: %v", err)
	}
	free := w.space("free", enforceBaseline)
	if _, err := w.admit(c, free(podNamed("p", loud))); err != nil {
		t.Errorf("an exempt namespace: %v", err)
	}
	w.env.Options.ConfigFile = writeSettings(t, "PodSecurity", "{apiVersion: pod-security.admission.config.k8s.io/v1, kind: PodSecurityConfiguration, defaults: {enforce: odd}}")
	if _, err := New(w.env); err == nil || !strings.Contains(err.Error(), "--admission-control-config-file: plugin PodSecurity") {
		t.Errorf("settings with a fault: %v", err)
	}
}

func TestCertificates(t *testing.T) {
	w := newWorld(t)
	csr := func(status string) string {
		return `{"metadata":{"name":"r"},"spec":{"signerName":"example.com/s","request":""},"status":{` + status + `}}`
	}
	approval := write{op: admission.Update, resource: "certificatesigningrequests.certificates.k8s.io", sub: "approval", object: csr(""), old: csr(""), user: "ann"}
	c := w.only("", "CertificateApproval", "CertificateSigning", "CertificateSubjectRestriction")
	w.refused(c, approval, 403, `certificatesigningrequests.certificates.k8s.io "r" is forbidden: user not permitted to approve requests with signerName "example.com/s"`)
	w.allow["ann approve signers example.com/*"] = true
	w.ok(c, approval)
	signing := write{op: admission.Update, resource: "certificatesigningrequests.certificates.k8s.io", sub: "status", object: csr(`"certificate":"AAAA"`), old: csr(""), user: "ann"}
	w.refused(c, signing, 403, `certificatesigningrequests.certificates.k8s.io "r" is forbidden: user not permitted to sign requests with signerName "example.com/s"`)
	w.allow["ann sign signers example.com/s"] = true
	w.ok(c, signing)
	signing.object, signing.user = csr(""), "bob"
	w.ok(c, signing) // changes nothing
	bad := write{op: admission.Create, resource: "certificatesigningrequests.certificates.k8s.io", object: `{"metadata":{"name":"r"},"spec":{"signerName":"kubernetes.io/kube-apiserver-client","request":"AAAA"}}`}
	w.refused(c, bad, 403, `certificatesigningrequests.certificates.k8s.io "r" is forbidden: failed to parse CSR: PEM block type must be CERTIFICATE REQUEST`)
}
