package main

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/apitest"

	"sigs.k8s.io/yaml"
)

// paths are where the kinds of the manifests are posted to.
var paths = map[string]string{
	"Namespace": "/api/v1/namespaces", "Secret": "/api/v1/namespaces/%s/secrets", "Service": "/api/v1/namespaces/%s/services",
	"Deployment":                   "/apis/apps/v1/namespaces/%s/deployments",
	"EndpointSlice":                "/apis/discovery.k8s.io/v1/namespaces/%s/endpointslices",
	"MutatingWebhookConfiguration": "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
}

func apply(t *testing.T, c *apitest.Caller, objects string) {
	t.Helper()
	for _, object := range strings.Split(objects, "---\n") {
		var head struct {
			Kind     string
			Metadata struct{ Namespace string }
		}
		if err := yaml.Unmarshal([]byte(object), &head); err != nil {
			t.Fatal(err)
		}
		path := paths[head.Kind]
		if strings.Contains(path, "%s") {
			path = fmt.Sprintf(path, head.Metadata.Namespace)
		}
		c.Do("POST", path, object, "Content-Type", "application/yaml").Must(201)
	}
}

// serve runs the injector on an address and gives the port.
func serve(t *testing.T, p *pair, host string) string {
	t.Helper()
	cert, err := tls.X509KeyPair(p.cert, p.key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", net.JoinHostPort(host, "0"), &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: injector{proxy: "proxy:1"}, ReadHeaderTimeout: time.Minute}
	go server.Serve(l) //nolint:errcheck // it ends with the test
	t.Cleanup(func() { server.Close() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func containers(t *testing.T, c *apitest.Caller, namespace, labels string) string {
	t.Helper()
	pod := fmt.Sprintf(`{apiVersion: v1, kind: Pod, metadata: {name: web, labels: {%s}}, spec: {containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]}}`, labels)
	var p struct {
		Spec struct {
			Containers []struct{ Name, Image string }
		}
	}
	c.Do("POST", "/api/v1/namespaces/"+namespace+"/pods?dryRun=All", pod, "Content-Type", "application/yaml").Must(201).Into(&p)
	var names []string
	for _, one := range p.Spec.Containers {
		names = append(names, one.Name+"="+one.Image)
	}
	return strings.Join(names, " ")
}

func check(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("the containers are %q, want %q", got, want)
	}
}

const meshed = "apiVersion: v1\nkind: Namespace\nmetadata: {name: meshed, labels: {sidecar-injection: enabled, istio-injection: enabled}}\n"

func newTestPair(t *testing.T, names ...string) *pair {
	t.Helper()
	p, err := newPair(time.Now(), names...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestBesideTheServer(t *testing.T) {
	admin := apitest.Start(t).Admin()
	p := newTestPair(t, "127.0.0.1")
	port := serve(t, p, "127.0.0.1")
	apply(t, admin, manifests(p, "https://127.0.0.1:"+port, "", ""))
	apply(t, admin, meshed)
	check(t, containers(t, admin, "meshed", ""), "web=nginx proxy=proxy:1")
	check(t, containers(t, admin, "meshed", "sidecar-injection: disabled"), "web=nginx")
	check(t, containers(t, admin, "default", ""), "web=nginx")
}

// outside gives an address of this machine that other machines could use, which
// is what endpoints have.
func outside(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	t.Skip("this machine has no network")
	return ""
}

// slice tells where the pods of a Service are, as a controller does.
func slice(namespace, service, port, address, number string) string {
	return fmt.Sprintf("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: %[2]s-1, namespace: %[1]s, labels: {kubernetes.io/service-name: %[2]s}}\naddressType: IPv4\nports: [{name: %[3]s, port: %[5]s}]\nendpoints: [{addresses: [%[4]s]}]\n",
		namespace, service, port, address, number)
}

func TestInTheCluster(t *testing.T) {
	host := outside(t)
	admin := apitest.Start(t).Admin()
	p := newTestPair(t, "sidecar-injector.sidecar-injector.svc")
	number := serve(t, p, host)
	apply(t, admin, manifests(p, "", "injector:1", "proxy:1"))
	apply(t, admin, slice("sidecar-injector", "sidecar-injector", "https", host, number))
	apply(t, admin, meshed)
	check(t, containers(t, admin, "meshed", ""), "web=nginx proxy=proxy:1")
}

// istio is the webhook configuration that Istio installs, with our CA in the place
// of its own.
const istio = `apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata:
  name: istio-sidecar-injector
  labels: {istio.io/rev: default, install.operator.istio.io/owning-resource: unknown, operator.istio.io/component: Pilot, app: sidecar-injector, release: istio}
webhooks:
- name: rev.namespace.sidecar-injector.istio.io
  clientConfig: {service: {name: istiod, namespace: istio-system, path: "/inject", port: 443}, caBundle: %[1]s}
  sideEffects: None
  rules:
  - {operations: ["CREATE"], apiGroups: [""], apiVersions: ["v1"], resources: ["pods"]}
  failurePolicy: Fail
  reinvocationPolicy: Never
  admissionReviewVersions: ["v1"]
  namespaceSelector: {matchExpressions: [{key: istio.io/rev, operator: In, values: ["default"]}, {key: istio-injection, operator: DoesNotExist}]}
  objectSelector: {matchExpressions: [{key: sidecar.istio.io/inject, operator: NotIn, values: ["false"]}]}
- name: namespace.sidecar-injector.istio.io
  clientConfig: {service: {name: istiod, namespace: istio-system, path: "/inject", port: 443}, caBundle: %[1]s}
  sideEffects: None
  rules:
  - {operations: ["CREATE"], apiGroups: [""], apiVersions: ["v1"], resources: ["pods"]}
  failurePolicy: Fail
  reinvocationPolicy: Never
  admissionReviewVersions: ["v1"]
  namespaceSelector: {matchExpressions: [{key: istio-injection, operator: In, values: ["enabled"]}]}
  objectSelector: {matchExpressions: [{key: sidecar.istio.io/inject, operator: NotIn, values: ["false"]}]}
- name: object.sidecar-injector.istio.io
  clientConfig: {service: {name: istiod, namespace: istio-system, path: "/inject", port: 443}, caBundle: %[1]s}
  sideEffects: None
  rules:
  - {operations: ["CREATE"], apiGroups: [""], apiVersions: ["v1"], resources: ["pods"]}
  failurePolicy: Fail
  reinvocationPolicy: Never
  admissionReviewVersions: ["v1"]
  namespaceSelector: {matchExpressions: [{key: istio-injection, operator: DoesNotExist}, {key: istio.io/rev, operator: DoesNotExist}]}
  objectSelector: {matchExpressions: [{key: sidecar.istio.io/inject, operator: In, values: ["true"]}, {key: istio.io/rev, operator: DoesNotExist}]}
`

func TestThirdPartyConfiguration(t *testing.T) {
	host := outside(t)
	admin := apitest.Start(t).Admin()
	p := newTestPair(t, "istiod.istio-system.svc")
	number := serve(t, p, host)
	apply(t, admin, "apiVersion: v1\nkind: Namespace\nmetadata: {name: istio-system}\n---\n"+
		"apiVersion: v1\nkind: Service\nmetadata: {name: istiod, namespace: istio-system}\nspec: {selector: {app: istiod}, ports: [{name: grpc-xds, port: 15010}, {name: https-webhook, port: 443, targetPort: 15017}]}\n---\n"+
		slice("istio-system", "istiod", "https-webhook", host, number)+"---\n"+meshed+"---\n"+
		fmt.Sprintf(istio, base64.StdEncoding.EncodeToString(p.ca)))
	check(t, containers(t, admin, "meshed", ""), "web=nginx proxy=proxy:1")
	check(t, containers(t, admin, "meshed", `sidecar.istio.io/inject: "false"`), "web=nginx")
	check(t, containers(t, admin, "default", ""), "web=nginx")
	check(t, containers(t, admin, "default", `sidecar.istio.io/inject: "true"`), "web=nginx proxy=proxy:1")
}
