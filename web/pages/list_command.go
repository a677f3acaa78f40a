package pages

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strings"

	"pilothouse/backend/client"
	"pilothouse/backend/registry"
	"pilothouse/web/rows"
	"pilothouse/web/unseen"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Resources that pages know by name.
var (
	nodes             = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	persistentVolumes = schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumes"}
	namespaces        = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	events            = schema.GroupVersionResource{Version: "v1", Resource: "events"}
)

// listCommands are the same list for kubectl and curl. Words are looked for here, not
// by the API.
func (c *Call) listCommands(ctx context.Context, s *listState) (kubectl, curl string) {
	_, query, narrowed, err := c.ask(ctx, s)
	some := narrowed
	if len(narrowed) == 0 && !query.Except {
		some = query.Namespaces
	}
	q := url.Values{}
	var f rows.Filter
	if err == nil {
		f = query.Filter
		q = with(q, "labelSelector", f.Labels.String(), "fieldSelector", s.fields(f, query.Except))
	}
	if len(some) == 0 {
		return s.command(c.Types(), f, "", query.Except), c.curlGet(client.Path(s.gvr, s.namespace, "", ""), q)
	}
	curl = c.curlGet(client.Path(s.gvr, "NAMESPACE", "", ""), q)
	if len(some) > 1 {
		curl = strings.NewReplacer("'", `"`, "NAMESPACE", "$n").Replace(curl)
		return each(some, s.command(c.Types(), f, "$n", false)), each(some, curl)
	}
	return s.command(c.Types(), f, shellQuote(some[0]), false), c.curlGet(client.Path(s.gvr, some[0], "", ""), q)
}

// each runs a command in one namespace after the other.
func each(namespaces []string, command string) string {
	return "for n in " + shellWords(namespaces) + "; do " + command + "; done"
}

// fields are the field selector of a list: its filter's, and the namespaces that
// it leaves out, for which the API has nothing else.
func (s *listState) fields(f rows.Filter, except bool) string {
	list := nonEmpty(f.Fields)
	for _, n := range s.namespaces {
		if except {
			list = append(list, "metadata.namespace!="+n)
		}
	}
	return strings.Join(list, ",")
}

// command is the same list for kubectl, in a namespace where one is given.
func (s *listState) command(t *registry.Table, f rows.Filter, namespace string, except bool) string {
	words := []string{"kubectl", "get", kubectlName(t, s.gvr)}
	switch namespace = cmp.Or(nameWord(s.namespace), namespace); {
	case !s.entry.Resource.Namespaced:
	case namespace != "":
		words = append(words, "-n", namespace)
	default:
		words = append(words, "-A")
	}
	if f.Labels != nil && !f.Labels.Empty() {
		words = append(words, "-l", shellQuote(f.Labels.String()))
	}
	if fields := s.fields(f, except); fields != "" {
		words = append(words, "--field-selector", shellQuote(fields))
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
	if unseen.Has(s) {
		return quoteUnseen(s)
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// shellWords are words of a shell, one after the other.
func shellWords(list []string) string {
	words := make([]string, len(list))
	for i, s := range list {
		words[i] = shellQuote(s)
	}
	return strings.Join(words, " ")
}

// nameWord is a word that may be left out.
func nameWord(name string) string {
	if name == "" {
		return ""
	}
	return shellQuote(name)
}

// quoteUnseen writes characters that are not seen by their numbers, as bash, ksh and
// zsh read them: what is pasted is what was shown.
func quoteUnseen(s string) string {
	var b strings.Builder
	b.WriteString("$'")
	for _, r := range s {
		switch {
		case r == '\\' || r == '\'':
			b.WriteRune('\\')
			b.WriteRune(r)
		case !unseen.Has(string(r)):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08X`, r)
		default:
			fmt.Fprintf(&b, `\u%04X`, r)
		}
	}
	return b.String() + "'"
}
