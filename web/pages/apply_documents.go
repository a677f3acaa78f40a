package pages

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// document is one document of what was pasted, or err why it is none.
type document struct {
	number int
	object unstructured.Unstructured
	addr   address
	err    error
	// awaits tells that its kind, or its namespace, comes with another document;
	// same is the number of an earlier one of the same object.
	awaitsKind, awaitsNamespace bool
	same                        int
	// raw is its text where it is a YAML document of its own, which begins behind so
	// many lines of the whole.
	raw   string
	after int
}

func (d *document) gvk() schema.GroupVersionKind { return d.object.GroupVersionKind() }

// documents reads a stream of YAML or JSON documents, Lists taken apart, and
// gives them in the order of their dependencies. One that cannot be read is a
// document with an error.
func (c *Call) documents(text, namespace string) ([]document, error) {
	var list []document
	add := func(o any, err error) {
		d := document{number: len(list) + 1, err: err}
		if m, ok := o.(map[string]any); ok {
			d.object.Object = m
		} else if err == nil {
			d.err = badRequest("The document is no object.")
		}
		list = append(list, d)
	}
	reader := yamlutil.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for line := 0; ; {
		raw, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, badText(err)
		}
		values, err := valuesOf(raw)
		for _, v := range values {
			for _, item := range itemsOf(v) {
				add(item, nil)
			}
		}
		if len(values) == 1 && len(itemsOf(values[0])) == 1 {
			list[len(list)-1].raw, list[len(list)-1].after = string(raw), line
		}
		if err != nil {
			add(nil, badText(errors.New(movedLine(err.Error(), line))))
		}
		line += bytes.Count(raw, []byte("\n")) + 1
		if len(list) > maxDocuments {
			return nil, badRequest("There are more than %d documents.", maxDocuments)
		}
	}
	if len(list) == 0 {
		return nil, badRequest("There is no document in the text.")
	}
	c.resolve(list, namespace)
	sort.SliceStable(list, func(i, j int) bool { return orderOf(list[i].object.GetKind()) < orderOf(list[j].object.GetKind()) })
	return list, nil
}

// valuesOf are the values of one document: none in comments, one in YAML, any
// number of JSON after each other.
func valuesOf(raw []byte) (list []any, err error) {
	raw = bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(raw), []byte("\ufeff")))
	if bytes.HasPrefix(raw, []byte("{")) {
		d := json.NewDecoder(bytes.NewReader(raw))
		for err == nil {
			var v any
			if err = d.Decode(&v); err == nil {
				list = append(list, v)
			}
		}
		if errors.Is(err, io.EOF) {
			return list, nil
		}
	}
	var v any
	if err := yaml.Unmarshal(raw, &v); err != nil || v == nil {
		return nil, err
	}
	return []any{v}, nil
}

// itemsOf are the items of a List, with the kind that it is a list of where they
// have none; else the value itself.
func itemsOf(v any) []any {
	m, _ := v.(map[string]any)
	kind, isList := strings.CutSuffix(text(m["kind"]), "List")
	items, hasItems := m["items"].([]any)
	if !isList || !hasItems && m["items"] != nil {
		return []any{v}
	}
	for _, i := range items {
		if o, ok := i.(map[string]any); ok && o["kind"] == nil && kind != "" {
			o["kind"], o["apiVersion"] = kind, m["apiVersion"]
		}
	}
	return items
}

var lineNumber = regexp.MustCompile(`\bline (\d+)`)

// movedLine is a message about a line of a document, for the text in which it
// begins after so many lines.
func movedLine(message string, after int) string {
	return lineNumber.ReplaceAllStringFunc(message, func(s string) string {
		n, _ := strconv.Atoi(strings.TrimPrefix(s, "line "))
		return "line " + strconv.Itoa(n+after)
	})
}

// resolve finds out what documents are of: kinds that are served, or that come
// with a definition among them, and namespaces likewise.
func (c *Call) resolve(list []document, namespace string) {
	kinds, namespaces := map[schema.GroupVersionKind]bool{}, map[string]bool{}
	for i := range list {
		o := list[i].object.Object
		switch list[i].object.GetKind() {
		case "Namespace":
			namespaces[list[i].object.GetName()] = true
		case "CustomResourceDefinition":
			group, _, _ := unstructured.NestedString(o, "spec", "group")
			kind, _, _ := unstructured.NestedString(o, "spec", "names", "kind")
			scope, _, _ := unstructured.NestedString(o, "spec", "scope")
			versions, _, _ := unstructured.NestedSlice(o, "spec", "versions")
			for _, v := range versions {
				m, _ := v.(map[string]any)
				kinds[schema.GroupVersionKind{Group: group, Version: text(m["name"]), Kind: kind}] = scope == "Namespaced"
			}
		}
	}
	seen := map[string]int{}
	for i := range list {
		d := &list[i]
		if d.err != nil {
			continue
		}
		scoped, comes := kinds[d.gvk()]
		if !c.locate(d, namespace) {
			if !comes {
				d.err = notFound("the server has no kind %s in %s", d.gvk().Kind, d.gvk().GroupVersion())
				continue
			}
			d.awaitsKind = true
			if scoped && d.object.GetNamespace() == "" {
				d.object.SetNamespace(namespace)
			}
		}
		d.awaitsNamespace = namespaces[d.object.GetNamespace()]
		if d.object.GetName() == "" {
			continue
		}
		key := strings.Join([]string{d.gvk().Group, d.gvk().Kind, d.object.GetNamespace(), d.object.GetName()}, "/")
		d.same = seen[key]
		seen[key] = d.number
	}
}

// locate finds where an object is served; false when nowhere.
func (c *Call) locate(d *document, namespace string) bool {
	e, ok := c.Types().ForKind(d.gvk())
	if !ok {
		return false
	}
	if e.Resource.Namespaced && d.object.GetNamespace() == "" {
		d.object.SetNamespace(namespace)
	}
	d.addr = address{entry: e, gvr: e.GVR(), namespace: d.object.GetNamespace(), name: d.object.GetName()}
	return true
}

// firstKinds is what other documents depend on, first things first; lastKinds
// is what acts on others, and would refuse or scale what is not there yet.
var (
	firstKinds = []string{
		"Namespace", "CustomResourceDefinition", "PriorityClass", "StorageClass", "RuntimeClass", "IngressClass", "ServiceAccount", "Role", "ClusterRole",
		"RoleBinding", "ClusterRoleBinding", "NetworkPolicy", "ResourceQuota", "LimitRange", "Secret", "ConfigMap", "PersistentVolume", "PersistentVolumeClaim", "Service",
	}
	lastKinds = []string{
		"Ingress", "PodDisruptionBudget", "HorizontalPodAutoscaler", "APIService", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
		"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration",
	}
)

func orderOf(kind string) int {
	if i := slices.Index(firstKinds, kind); i >= 0 {
		return i
	}
	return len(firstKinds) + 1 + slices.Index(lastKinds, kind)
}
