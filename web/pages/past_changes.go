package pages

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/endpoints"
	"pilothouse/backend/history"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/messages"
	"pilothouse/web/view"
)

// changesPage is the page of what changed in a namespace.
func changesPage(ctx context.Context, c *Call) (*Answer, error) {
	get := func(name string) string { return strings.TrimSpace(c.Query.Get(name)) }
	v := view.Changes{Namespace: get("ns"), Resource: get("resource"), Since: get("since"), Until: get("until")}
	q := with(nil, "namespace", v.Namespace, "resource", v.Resource)
	status := http.StatusOK
	for name, text := range map[string]string{"since": v.Since, "until": v.Until} {
		if text == "" {
			continue
		}
		at, err := moment(text, c.Clock())
		if err != nil {
			v.Problem, status = c.Problem(err), http.StatusBadRequest
			continue
		}
		q.Set(name, at.Format(time.RFC3339))
	}
	v.Command, v.Curl = c.rawCommands(history.ChangesPath, q)
	if v.Problem == "" {
		raw, err := c.Client.Bytes(ctx, client.Call{Method: http.MethodGet, Path: history.ChangesPath, Query: q})
		if err != nil {
			return nil, err
		}
		var h endpoints.History
		if err := json.Unmarshal(raw, &h); err != nil {
			return nil, err
		}
		for i := range h.Versions {
			v.Rows = append(v.Rows, c.versionRow(&h.Versions[i]))
		}
		v.More = h.More
		if !h.Since.IsZero() && v.Since == "" {
			v.Known = h.Since.UTC().Format(time.RFC3339)
		}
	}
	return &Answer{Status: status, Title: c.T("What changed"), Body: tmpl.Changes(v), Crumbs: []view.Link{{Text: c.T("Changes")}}}, nil
}

// moment reads a time that somebody has typed: of the day as 14:00 or 14:00:30
// (UTC, the last one that was), ago as 15m or 2h, or one of RFC 3339.
func moment(text string, now time.Time) (time.Time, error) {
	now = now.UTC()
	if text == "now" {
		return now, nil
	}
	for _, layout := range []string{"15:04", "15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			at := time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
			if at.After(now) {
				at = at.AddDate(0, 0, -1)
			}
			return at, nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return now, messages.Errorf("%q is no time: write 14:00, 15m for a quarter of an hour ago, or 2026-11-26T14:00:00Z", text)
}
