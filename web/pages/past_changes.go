package pages

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"sort"
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
	v := view.Changes{NoAudit: !c.mayGo(ctx, "/ui/audit"), Namespace: get("ns"), Resource: get("resource"), Since: get("since"), Until: get("until")}
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
		h, err := c.changesOf(ctx, q)
		if err != nil {
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

// changedIn bounds the namespaces that are asked one by one, changesShown the changes
// of all of them.
const changedIn, changesShown = 20, 200

// changesOf asks what changed. Whoever may see some namespaces only is told of each of
// those.
func (c *Call) changesOf(ctx context.Context, q url.Values) (*endpoints.History, error) {
	ask := func(q url.Values) (*endpoints.History, error) {
		raw, err := c.Client.Bytes(ctx, client.Call{Method: http.MethodGet, Path: history.ChangesPath, Query: q})
		if err != nil {
			return nil, err
		}
		var h endpoints.History
		return &h, json.Unmarshal(raw, &h)
	}
	h, err := ask(q)
	if err != nil || q.Get("namespace") != "" || c.may(ctx, right{verb: "list", address: address{gvr: podsResource}}) == nil {
		return h, err
	}
	some := c.namespacesWith(ctx, "list", address{gvr: podsResource})
	for _, namespace := range some[:min(len(some), changedIn)] {
		one, err := ask(with(q, "namespace", namespace))
		if err != nil {
			return nil, err
		}
		h.Versions, h.More, h.Since = append(h.Versions, one.Versions...), h.More || one.More, one.Since
	}
	sort.SliceStable(h.Versions, func(i, j int) bool { return h.Versions[j].Time.Before(h.Versions[i].Time) })
	if len(h.Versions) > changesShown {
		h.Versions, h.More = h.Versions[:changesShown], true
	}
	return h, nil
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
