package rows

import (
	"fmt"
	"slices"
	"strings"

	"pilothouse/web/messages"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
)

// Query is what a View picks and how it orders.
type Query struct {
	// Namespaces are those to show, all when empty; with Except all others.
	Namespaces []string
	Except     bool
	Filter     Filter
	// Sort is the name of a column, empty for the API's order by namespace and
	// name.
	Sort string
	Desc bool
}

// Filter is a parsed filter box.
type Filter struct {
	// Words are texts that a row has, Not those that it has not, all in lower
	// case.
	Words, Not []string
	Labels     labels.Selector
	// Fields is for the API: only it knows fields.
	Fields string
}

// ParseFilter reads a filter box:
//
//	web 10.1        rows that have both texts in a cell, a name or a label
//	!istio          rows that do not have the text
//	-l app=a,tier in (web)   kubectl's label selector
//	-f status.phase!=Running kubectl's field selector
//
// A selector ends where the longest text that can be read as one ends.
func ParseFilter(text string) (Filter, error) {
	f := Filter{Labels: labels.Everything()}
	var err error
	for words := strings.Fields(text); len(words) > 0; {
		word := words[0]
		words = words[1:]
		switch {
		case word == "-l":
			if words, err = f.labels(words); err != nil {
				return f, err
			}
		case word == "-f":
			if words, err = f.fields(words); err != nil {
				return f, err
			}
		case word == "!":
		case strings.HasPrefix(word, "!"):
			f.Not = append(f.Not, strings.ToLower(word[1:]))
		default:
			f.Words = append(f.Words, strings.ToLower(word))
		}
	}
	return f, nil
}

// upTo is the number of words before the next flag.
func upTo(words []string) int {
	for i, w := range words {
		if w == "-l" || w == "-f" {
			return i
		}
	}
	return len(words)
}

func (f *Filter) labels(words []string) ([]string, error) {
	n := upTo(words)
	if n == 0 {
		return nil, messages.Errorf("-l needs a label selector, such as app=web")
	}
	var first error
	for i := n; i > 0; i-- {
		selector, err := labels.Parse(strings.Join(words[:i], " "))
		if err == nil && (i == n || words[i] != "in" && words[i] != "notin") {
			more, _ := selector.Requirements()
			f.Labels = f.Labels.Add(more...)
			return words[i:], nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, messages.Errorf("label selector: %s", first)
}

func (f *Filter) fields(words []string) ([]string, error) {
	if upTo(words) == 0 {
		return nil, messages.Errorf("-f needs a field selector, such as status.phase!=Running")
	}
	selector, err := fields.ParseSelector(words[0])
	if err != nil {
		return nil, messages.Errorf("field selector: %s", err)
	}
	if selector.Empty() {
		return nil, messages.Errorf("field selector: %q says nothing", words[0])
	}
	if f.Fields != "" {
		f.Fields += ","
	}
	f.Fields += selector.String()
	return words[1:], nil
}

// Plain tells a query that picks everything in the API's own order.
func (q *Query) Plain() bool {
	return len(q.Namespaces) == 0 && q.Sort == "" && !q.Desc &&
		len(q.Filter.Words) == 0 && len(q.Filter.Not) == 0 && (q.Filter.Labels == nil || q.Filter.Labels.Empty())
}

// String tells queries apart.
func (q *Query) String() string {
	selector := ""
	if q.Filter.Labels != nil {
		selector = q.Filter.Labels.String()
	}
	return fmt.Sprintf("%q %t %q %q %q %q %t", q.Namespaces, q.Except, q.Filter.Words, q.Filter.Not, selector, q.Sort, q.Desc)
}

// picks tells whether a row belongs to the query.
func (q *Query) picks(r *Row) bool {
	if len(q.Namespaces) > 0 && slices.Contains(q.Namespaces, r.Namespace) == q.Except {
		return false
	}
	for _, w := range q.Filter.Words {
		if !strings.Contains(r.search, w) {
			return false
		}
	}
	for _, w := range q.Filter.Not {
		if strings.Contains(r.search, w) {
			return false
		}
	}
	return q.Filter.Labels == nil || q.Filter.Labels.Matches(r.Labels)
}
