package apitest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pilothouse/backend/apitest"
	"pilothouse/backend/config"
	"pilothouse/backend/registry"
	"pilothouse/backend/resources"

	"k8s.io/apimachinery/pkg/runtime"
	kubejson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// k8s.io/api ships an object of every kind with every field set. What validation
// lets through of them (testdata/golden-edits.yaml says what had to change)
// comes back from a create, a get and a write of the status without having lost
// a field, in JSON, in YAML and as protobuf.
func TestGoldenObjectsKeepTheirFields(t *testing.T) {
	if testing.Short() {
		t.Skip("not about goroutines, and long with -race")
	}
	t.Parallel()
	s := apitest.Start(t, apitest.Options{Change: func(o *config.Options) {
		// Loops and plugins change objects, which is not about their fields.
		o.Features.Controllers = []string{"namespace-controller"}
		o.Features.AllowPrivileged = true
		o.Admission.Disable = []string{
			"ServiceAccount", "Priority", "RuntimeClass", "DefaultTolerationSeconds", "TaintNodesByCondition", "PodSecurity",
			"CertificateApproval", "CertificateSigning", "ClusterTrustBundleAttest", "CertificateSubjectRestriction",
			"PersistentVolumeClaimResize", "StorageObjectInUseProtection",
		}
	}})
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/api").Output()
	if err != nil {
		t.Fatalf("where is k8s.io/api: %v", err)
	}
	g := &goldenRun{c: s.Admin(), edits: goldenEdits(t), dir: filepath.Join(strings.TrimSpace(string(dir)), "testdata", "HEAD")}
	for _, r := range resources.All(&registry.Env{}) {
		for _, v := range r.Versions {
			if withoutGolden[r.Name] != "" {
				continue
			}
			t.Run(r.Group+" "+v.Name+" "+r.Name, func(t *testing.T) { g.resource(t, &r, v.Name) })
		}
	}
	for _, e := range g.edits {
		if !e.used {
			t.Errorf("an edit that changes nothing: %v of %v", e.At, e.Of)
		}
	}
}

type goldenRun struct {
	c     *apitest.Caller
	edits []*goldenEdit
	dir   string
	// addresses counts the IPAddresses.
	addresses int
}

func (g *goldenRun) resource(t *testing.T, r *registry.Resource, version string) {
	group := map[bool]string{true: "core", false: r.Group}[r.Group == ""]
	base := filepath.Join(g.dir, group+"."+version+"."+r.Kind)
	for _, format := range []string{"json", "yaml", "vnd.kubernetes.protobuf"} {
		raw, err := os.ReadFile(base + map[bool]string{true: ".yaml", false: ".json"}[format == "yaml"]) //nolint:gosec // a file of a module
		if err != nil {
			t.Fatalf("no golden file: %v", err)
		}
		if raw, err = yaml.YAMLToJSON(raw); err != nil {
			t.Fatal(err)
		}
		variants, err := goldenVariants(g.edits, version, r.Kind, raw)
		if err != nil {
			t.Fatal(err)
		}
		if format != "json" {
			variants = variants[:1] // what differs between variants is not how they are read
		}
		for i, obj := range variants {
			g.name(t, r, obj, version+format[max(0, len(format)-8):]+strconv.Itoa(i))
			g.roundTrip(t, r, version, obj, "application/"+format)
		}
	}
}

// name gives an object a name of its own, and what else is not the same twice.
func (g *goldenRun) name(t *testing.T, r *registry.Resource, obj map[string]any, suffix string) {
	switch r.Name {
	case "ipaddresses":
		g.addresses++
		obj["metadata"].(map[string]any)["name"] = "10.1.2." + strconv.Itoa(g.addresses)
		return
	case "certificatesigningrequests":
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
		if err != nil {
			t.Fatal(err)
		}
		obj["spec"].(map[string]any)["request"] = base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	}
	if meta, ok := obj["metadata"].(map[string]any); ok && meta["name"] != nil {
		meta["name"] = meta["name"].(string) + "-" + strings.ToLower(r.Group+suffix)
	}
}

// withoutGolden are the resources that k8s.io/api has no object of that could be
// created and read.
var withoutGolden = map[string]string{
	"customresourcedefinitions": "of another module, and its fields are tested in backend/crd",
	"apiservices":               "of another module",
	"componentstatuses":         "read only, and the server makes them",
	"selfsubjectrulesreviews":   "answered with a status alone",
	"bindings":                  "not read; binding a pod is tested in backend/resources/core",
}

// roundTrip creates an object, gets it and writes its status.
func (g *goldenRun) roundTrip(t *testing.T, r *registry.Resource, version string, obj map[string]any, mediaType string) {
	path := "/api/" + version
	if r.Group != "" {
		path = "/apis/" + r.Group + "/" + version
	}
	if r.Namespaced {
		path += "/namespaces/default"
	}
	path += "/" + r.Name
	later := apart(r, obj)
	got, ok := g.exchange(t, "POST", path, obj, mediaType)
	if !ok {
		return
	}
	noneLost(t, "created", obj, got)
	if r.Virtual != nil {
		return
	}
	path += "/" + obj["metadata"].(map[string]any)["name"].(string)
	got, _ = g.exchange(t, "GET", path, nil, mediaType)
	noneLost(t, "read", obj, got)
	for _, part := range later {
		part.into(obj)
		part.into(got)
		if _, ok := g.exchange(t, "PUT", path+"/"+part.subresource, got, mediaType); !ok {
			return
		}
		got, _ = g.exchange(t, "GET", path, nil, mediaType)
		noneLost(t, "with its "+part.subresource, obj, got)
	}
}

func noneLost(t *testing.T, what string, want, got map[string]any) {
	t.Helper()
	if lost := missing("", want, got); lost != nil {
		t.Errorf("%s: %s", what, strings.Join(lost, "\n"))
	}
}

// part is what only a subresource writes.
type part struct {
	subresource string
	into        func(obj map[string]any)
}

// apart takes from an object what is written through subresources.
func apart(r *registry.Resource, obj map[string]any) (out []part) {
	if r.Name == "pods" {
		spec := obj["spec"].(map[string]any)
		containers := spec["ephemeralContainers"]
		delete(spec, "ephemeralContainers")
		out = append(out, part{"ephemeralcontainers", func(obj map[string]any) {
			obj["spec"].(map[string]any)["ephemeralContainers"] = containers
		}})
	}
	status, has := obj["status"]
	if has && slices.ContainsFunc(r.Subresources, func(s registry.Subresource) bool { return s.Name == "status" }) {
		delete(obj, "status")
		out = append(out, part{"status", func(obj map[string]any) { obj["status"] = status }})
	}
	return out
}

var jsonSerializer = kubejson.NewSerializerWithOptions(kubejson.DefaultMetaFactory, clientscheme.Scheme, clientscheme.Scheme, kubejson.SerializerOptions{})

// recode brings an object from one form into another, as client-go's typed
// clients do.
func recode(from runtime.Decoder, to runtime.Encoder, raw []byte) ([]byte, error) {
	obj, _, err := from.Decode(raw, nil, nil)
	if err != nil {
		return nil, err
	}
	return runtime.Encode(to, obj)
}

func (g *goldenRun) exchange(t *testing.T, method, path string, obj map[string]any, mediaType string) (map[string]any, bool) {
	t.Helper()
	var body any
	if obj != nil {
		raw, err := json.Marshal(obj)
		switch {
		case err == nil && strings.HasSuffix(mediaType, "yaml"):
			raw, err = yaml.JSONToYAML(raw)
		case err == nil && strings.HasSuffix(mediaType, "protobuf"):
			raw, err = recode(clientscheme.Codecs.UniversalDeserializer(), protobuf.NewSerializer(clientscheme.Scheme, clientscheme.Scheme), raw)
		}
		if err != nil {
			t.Fatal(err)
		}
		body = raw
	}
	answer := g.c.Do(method, path, body, "Content-Type", mediaType, "Accept", mediaType)
	if strings.HasSuffix(mediaType, "protobuf") && answer.Code/100 == 2 {
		raw, err := recode(protobuf.NewSerializer(clientscheme.Scheme, clientscheme.Scheme), jsonSerializer, answer.Body)
		if err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		answer.Body = raw
	}
	var got map[string]any
	if err := yaml.Unmarshal(answer.Body, &got); err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	if answer.Code/100 == 2 {
		return got, true
	}
	var causes []string
	if details, ok := got["details"].(map[string]any); ok {
		list, _ := details["causes"].([]any)
		for _, c := range list {
			c, _ := c.(map[string]any)
			text := ""
			for _, k := range []string{"field", "message"} {
				if s, ok := c[k].(string); ok {
					text += s + ": "
				}
			}
			causes = append(causes, text)
		}
	}
	if causes == nil {
		causes = []string{string(answer.Body)}
	}
	t.Errorf("%s %s: %d\n%s", method, path, answer.Code, strings.Join(causes, "\n"))
	return nil, false
}
