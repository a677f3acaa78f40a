package pages

import (
	"context"
	"slices"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/web/apidoc"
	"pilothouse/web/view"
)

// commands reads commands as k9s and kubectl have them: a resource, then -n
// NAMESPACE, -A, a namespace alone, -l, -f, label=value or text; with "watch"
// before it the raw watch of the same; "explain" with a field.
func (c *Call) commands(ctx context.Context, t *registry.Table, q string) []view.Result {
	words := strings.Fields(q)
	watch := len(words) > 1 && words[0] == "watch"
	if watch || len(words) > 1 && words[0] == "get" {
		words = words[1:]
	}
	if len(words) == 2 && words[0] == "explain" {
		return explainCommand(t, words[1])
	}
	e := typeNamed(t, words[0])
	if e == nil || watch && !can(e, "watch") {
		return nil
	}
	namespace, filter := commandFilter(words[1:])
	if !e.Resource.Namespaced {
		namespace = ""
	}
	list := []view.Result{listResult(e, namespace, filter, watch)}
	// ":pod shop" of k9s is the namespace, when there is one; it may be a text.
	if namespace == "" && e.Resource.Namespaced && len(words) == 2 {
		if names, _ := c.NamespaceNames(ctx); slices.Contains(names, words[1]) {
			list = append([]view.Result{listResult(e, words[1], "", watch)}, list...)
		}
	}
	return list
}

// typeNamed is the type that kubectl knows by a name; nil when there is none.
func typeNamed(t *registry.Table, name string) *registry.Entry {
	var entry *registry.Entry
	name = strings.ToLower(name)
	eachType(t, func(e *registry.Entry) {
		r := e.Resource
		if entry == nil && (r.Name == name || r.Singular == name || strings.ToLower(r.Kind) == name || slices.Contains(r.ShortNames, name) || r.Name+"."+r.Group == name) {
			entry = e
		}
	})
	return entry
}

// commandFilter reads the words after a resource.
func commandFilter(words []string) (namespace, filter string) {
	var rest []string
	for ; len(words) > 0; words = words[1:] {
		switch word := words[0]; {
		case (word == "-n" || word == "--namespace") && len(words) > 1:
			namespace = words[1]
			words = words[1:]
		case word == "-A":
		case strings.HasPrefix(word, "/") && len(word) > 1: // k9s' filter
			rest = append(rest, word[1:])
		case strings.Contains(word, "=") && (len(rest) == 0 || rest[len(rest)-1] != "-l" && rest[len(rest)-1] != "-f"):
			rest = append(rest, "-l", word)
		default:
			rest = append(rest, word)
		}
	}
	return namespace, strings.Join(rest, " ")
}

func listResult(e *registry.Entry, namespace, filter string, watch bool) view.Result {
	r := view.Result{Kind: "go to", Text: strings.TrimSpace(e.Resource.Name + " " + filter), Note: namespace}
	q := with(nil, "q", filter)
	if watch {
		r.Text = "watch " + r.Text
		q.Set("view", "watch")
	}
	r.Href = join(listPath(e.GVR(), namespace), q)
	return r
}

// explainCommand leads to a kind or a field in the explorer.
func explainCommand(t *registry.Table, path string) []view.Result {
	name, field, _ := strings.Cut(path, ".")
	e := typeNamed(t, name)
	if e == nil {
		return nil
	}
	return []view.Result{{Kind: "go to", Text: "explain " + path, Note: e.GVR().GroupVersion().String(), Href: kindPage(apidoc.PathOf(e.GVR().GroupVersion()), e.Resource.Kind, field)}}
}
