// Package rows owns the lists that the dashboard shows live: a Source lists and
// watches a resource in the table form, as one user, through the API; a View is
// what a filter and an order make of it; a Window is the part of a View that
// one browser tab has on its screen. Sources and Views are shared by the tabs
// that ask for the same. It knows no HTML. Read pool.go first, then source.go,
// view.go and window.go.
package rows

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"k8s.io/apimachinery/pkg/labels"
)

// Column is one column of a resource's table form, as the API gives it.
type Column struct {
	Name, Type, Format, Description string
	Priority                        int32
}

// Row is one object: immutable, replaced when the object changes.
type Row struct {
	UID, Namespace, Name, Version string
	Created                       time.Time
	// Deleting tells an object that is waiting for its finalizers.
	Deleting bool
	Labels   labels.Set
	// Cells are the values in the order of the columns, as kubectl prints them.
	Cells []string
	// Clocks are the parts of the cells that run on; few rows have any.
	Clocks []Clock

	// search is what a text filter looks at, in lower case.
	search string
	// Rendered is for whoever shows the row: what it made of it last.
	Rendered atomic.Value
}

// inOrder compares two rows by their place in the API's own order: by namespace
// and name.
func inOrder(a, b *Row) int {
	if n := strings.Compare(a.Namespace, b.Namespace); n != 0 {
		return n
	}
	if n := strings.Compare(a.Name, b.Name); n != 0 {
		return n
	}
	return strings.Compare(a.UID, b.UID)
}

// table is the part of metav1.Table that is of use here.
type table struct {
	Kind     string `json:"kind"`
	Metadata struct {
		ResourceVersion    string `json:"resourceVersion"`
		Continue           string `json:"continue"`
		RemainingItemCount int64  `json:"remainingItemCount"`
	} `json:"metadata"`
	Columns []Column   `json:"columnDefinitions"`
	Rows    []tableRow `json:"rows"`
}

type tableRow struct {
	Cells  []jsontext.Value `json:"cells"`
	Object struct {
		Metadata struct {
			UID               string            `json:"uid"`
			Namespace         string            `json:"namespace"`
			Name              string            `json:"name"`
			ResourceVersion   string            `json:"resourceVersion"`
			CreationTimestamp time.Time         `json:"creationTimestamp"`
			DeletionTimestamp *time.Time        `json:"deletionTimestamp"`
			Labels            map[string]string `json:"labels"`
		} `json:"metadata"`
	} `json:"object"`
}

// decode reads a table; the cells are raw because their types differ.
func decode(raw []byte) (*table, error) {
	t := &table{}
	if err := json.Unmarshal(raw, t, json.MatchCaseInsensitiveNames(true), jsontext.AllowDuplicateNames(true)); err != nil {
		return nil, fmt.Errorf("read table: %w", err)
	}
	if t.Kind != "Table" {
		return nil, fmt.Errorf("read table: the API gave a %s", t.Kind)
	}
	return t, nil
}

// row makes a Row of what the API said just now; hands are those of its columns.
func (t *tableRow) row(hands []hand) *Row {
	m := &t.Object.Metadata
	r := &Row{
		UID: m.UID, Namespace: m.Namespace, Name: m.Name, Version: m.ResourceVersion, Created: m.CreationTimestamp,
		Deleting: m.DeletionTimestamp != nil, Labels: m.Labels, Cells: make([]string, len(t.Cells)),
	}
	if r.UID == "" {
		r.UID = r.Namespace + "/" + r.Name // what is not stored has no uid
	}
	var search strings.Builder
	search.WriteString(r.Namespace + "/" + r.Name)
	for i, c := range t.Cells {
		r.Cells[i] = cellText(c)
		if r.Cells[i] != r.Name {
			search.WriteString(" " + r.Cells[i])
		}
	}
	for k, v := range r.Labels {
		search.WriteString(" " + k + "=" + v)
	}
	r.search = strings.ToLower(search.String())
	r.wind(hands, time.Now())
	return r
}

// cellText is a cell as kubectl prints it.
func cellText(raw jsontext.Value) string {
	switch raw.Kind() {
	case 'n':
		return "<none>"
	case '"':
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return string(raw)
		}
		return s
	case '0':
		if f, err := strconv.ParseFloat(string(raw), 64); err == nil && f == float64(int64(f)) {
			return strconv.FormatInt(int64(f), 10)
		}
	}
	return string(raw)
}
