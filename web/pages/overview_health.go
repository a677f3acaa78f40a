package pages

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"pilothouse/backend/client"
	"pilothouse/web/view"
)

// health says whether the server is ready, and which of its checks are not;
// nothing to those who may not ask.
func (c *Call) health(ctx context.Context) []view.Fact {
	call := client.Call{Method: http.MethodGet, Path: "/readyz", Query: url.Values{"verbose": {""}}, Accept: "text/plain"}
	resp, err := c.Client.Exchange(ctx, call)
	if err != nil || resp.Status == http.StatusForbidden || resp.Status == http.StatusUnauthorized {
		return nil
	}
	passed, failed := readChecks(string(resp.Body))
	cell := toned(c.N(passed, "ready, %d check", "ready, %d checks"), view.Good)
	switch {
	case len(failed) > 0:
		cell = toned(c.T("not ready: %s", strings.Join(failed, ", ")), view.Bad)
	case resp.Status != http.StatusOK:
		cell = toned(c.T("not ready"), view.Bad)
	}
	return []view.Fact{{Name: "Health", Cell: cell}}
}

// readChecks reads the lines of a verbose health check: "[+]ping ok" and
// "[-]etcd failed: reason withheld".
func readChecks(text string) (passed int, failed []string) {
	for line := range strings.Lines(text) {
		name, ok := strings.CutPrefix(line, "[-]")
		switch {
		case ok:
			name, _, _ = strings.Cut(name, " ")
			failed = append(failed, strings.TrimSpace(name))
		case strings.HasPrefix(line, "[+]"):
			passed++
		}
	}
	return passed, failed
}
