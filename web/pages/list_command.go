package pages

import (
	"net/url"
	"strings"

	"pilothouse/backend/client"
	"pilothouse/backend/registry"
	"pilothouse/web/rows"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Resources that pages know by name.
var (
	nodes             = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	persistentVolumes = schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumes"}
	namespaces        = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	events            = schema.GroupVersionResource{Version: "v1", Resource: "events"}
)

// command is the same list for kubectl.
func (s *listState) command(t *registry.Table) string {
	words := []string{"kubectl", "get", kubectlName(t, s.gvr)}
	switch {
	case !s.entry.Resource.Namespaced:
	case s.namespace != "":
		words = append(words, "-n", s.namespace)
	default:
		words = append(words, "-A")
	}
	f, err := rows.ParseFilter(s.filter)
	if err != nil {
		return strings.Join(words, " ")
	}
	if !f.Labels.Empty() {
		words = append(words, "-l", shellQuote(f.Labels.String()))
	}
	if f.Fields != "" {
		words = append(words, "--field-selector", shellQuote(f.Fields))
	}
	if s.wide {
		words = append(words, "-o", "wide")
	}
	for _, w := range f.Words {
		words = append(words, "|", "grep", "-i", shellQuote(w))
	}
	for _, w := range f.Not {
		words = append(words, "|", "grep", "-iv", shellQuote(w))
	}
	return strings.Join(words, " ")
}

// listCurl is the same list for curl; words are looked for here, not by the API.
func (c *Call) listCurl(s *listState) string {
	q := url.Values{}
	f, err := rows.ParseFilter(s.filter)
	if err == nil {
		if !f.Labels.Empty() {
			q.Set("labelSelector", f.Labels.String())
		}
		if f.Fields != "" {
			q.Set("fieldSelector", f.Fields)
		}
	}
	return c.curlGet(client.Path(s.gvr, s.namespace, "", ""), q)
}

// kubectlName is how kubectl calls a resource: with its group when another
// group has one of the same name, with its version when that is not the
// preferred one.
func kubectlName(t *registry.Table, gvr schema.GroupVersionResource) string {
	first, ambiguous := true, false
	for _, g := range t.Groups() {
		_, has := t.Resource(g.Name, gvr.Resource)
		if has && g.Name != gvr.Group {
			ambiguous = true
		}
		if g.Name == gvr.Group && len(g.Versions) > 0 && g.Versions[0].Name != gvr.Version {
			first = false
		}
	}
	switch {
	case !first:
		return strings.TrimSuffix(gvr.Resource+"."+gvr.Version+"."+gvr.Group, ".")
	case ambiguous && gvr.Group != "":
		return gvr.Resource + "." + gvr.Group
	}
	return gvr.Resource
}

// shellQuote makes one word for a shell.
func shellQuote(s string) string {
	plain := s != ""
	for i := range len(s) {
		c := s[i]
		plain = plain && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.,/:=@%+", c) >= 0)
	}
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
