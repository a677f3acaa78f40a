package templates

import (
	"net/url"
	"slices"
	"strconv"

	"pilothouse/web/messages"
	"pilothouse/web/view"
)

func boolText(b bool) string { return strconv.FormatBool(b) }

// chosen tells whether the user has chosen a language.
func chosen(all []view.Language) bool {
	return slices.ContainsFunc(all, func(l view.Language) bool { return l.Chosen })
}

func density(dense bool) string {
	if dense {
		return "compact"
	}
	return "comfortable"
}

func densityText(dense bool) messages.Text {
	if dense {
		return "Comfortable rows"
	}
	return "Compact rows"
}

// query is the query of a form's hidden parameters.
func query(params []view.Param) string {
	q := url.Values{}
	for _, p := range params {
		q.Add(p.Name, p.Value)
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

func reason(f *view.Fault) string {
	if f.Code == 0 {
		return f.Reason
	}
	return strconv.Itoa(f.Code) + " " + f.Reason
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
