// Package printers owns what the table forms of several kinds have in common:
// the name and age columns and ages. The words are those that Kubernetes' own
// printers give, because kubectl prints them as they come. Labels and selectors
// are printed by labels.FormatLabels and metav1.FormatLabelSelector.
package printers

import (
	"time"

	"pilothouse/backend/registry"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
)

var metaDoc = metav1.ObjectMeta{}.SwaggerDoc()

// Name is the name column, first in every table.
var Name = registry.Column{Name: "Name", Type: "string", Format: "name", Description: metaDoc["name"]}

// Age is the age column of an object.
var Age = registry.Column{Name: "Age", Type: "string", Description: metaDoc["creationTimestamp"]}

// CreatedAt is the second column of kinds without a printer of their own.
var CreatedAt = registry.Column{Name: "Created At", Type: "date", Description: metaDoc["creationTimestamp"]}

// DefaultColumns are the columns of kinds without a printer of their own.
var DefaultColumns = []registry.Column{Name, CreatedAt}

// DefaultCells is the row of a kind without a printer of its own.
func DefaultCells(obj metav1.Object) []any {
	return []any{obj.GetName(), obj.GetCreationTimestamp().UTC().Format(time.RFC3339)}
}

// Column is a string column that always shows.
func Column(name, description string) registry.Column {
	return registry.Column{Name: name, Type: "string", Description: description}
}

// Wide is a string column that shows with -o wide.
func Wide(name, description string) registry.Column {
	return registry.Column{Name: name, Type: "string", Description: description, Priority: 1}
}

// Integer is a number column that always shows.
func Integer(name, description string) registry.Column {
	return registry.Column{Name: name, Type: "integer", Description: description}
}

// Boolean is a true-or-false column that always shows.
func Boolean(name, description string) registry.Column {
	return registry.Column{Name: name, Type: "boolean", Description: description}
}

// Since gives how long ago t was, as kubectl shows ages: 5m3s, 12d.
func Since(t metav1.Time, now registry.Clock) string {
	if t.IsZero() {
		return "<unknown>"
	}
	return duration.HumanDuration(now().Sub(t.Time))
}

// SinceMicro is Since for a time with microseconds.
func SinceMicro(t metav1.MicroTime, now registry.Clock) string {
	return Since(metav1.Time{Time: t.Time}, now)
}
