package web

import (
	"context"
	"strconv"
	"strings"

	"pilothouse/backend/metrics"
	"pilothouse/backend/request"
	"pilothouse/web/live"
	"pilothouse/web/messages"
	"pilothouse/web/pages"
	"pilothouse/web/terminal"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

var errGone = messages.Errorf("This shell has ended meanwhile.")

// terminal answers the websocket of a terminal: a new one, or with an id one
// that this session has open. What goes wrong is said over the websocket,
// because scripts learn nothing of a handshake that fails.
func (d *Dashboard) terminal(c *pages.Call) (*request.Response, error) {
	if c.Session == nil {
		return nil, apierrors.NewUnauthorized(c.T("Your session has ended."))
	}
	s, secret := c.Session, c.Secret
	alive := func() bool { return d.site.Sessions.Alive(s) && d.verify(context.Background(), s, secret) }
	return live.Upgrade(c.R, func(ctx context.Context, conn request.Socket) {
		defer conn.Close()
		ctx = messages.With(ctx, c.Language)
		k, why := d.openTerminal(ctx, c)
		if k == nil {
			_ = terminal.Refuse(ctx, conn, why)
			return
		}
		offset, err := strconv.ParseInt(c.Query.Get("offset"), 10, 64)
		if err != nil {
			offset = -1
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() {
			defer metrics.Caught("terminal")
			select {
			case <-s.Done():
				cancel()
			case <-c.Changed:
				cancel()
			case <-ctx.Done():
			}
		}()
		d.site.Terminals.Serve(ctx, k, conn, terminal.Look{Offset: offset, Page: c.Query.Get("page")}, alive)
	})
}

func (d *Dashboard) openTerminal(ctx context.Context, c *pages.Call) (*terminal.Terminal, *terminal.Outcome) {
	owner := terminal.Owner{Session: c.Session.ID, User: c.Session.User.Name, As: identity(c.As), Done: c.Session.Done(), Expired: c.Session.Expired}
	if id := c.Query.Get("id"); id != "" {
		k, err := d.site.Terminals.Find(owner, id)
		switch {
		case err != nil:
			return nil, &terminal.Outcome{Code: -1, Other: true, Why: err}
		case k == nil:
			return nil, &terminal.Outcome{Code: -1, Gone: true, Why: errGone}
		}
		return k, nil
	}
	k, err := d.site.Terminals.Open(c.Client, owner, c.TerminalTarget(ctx))
	if err != nil {
		return nil, &terminal.Outcome{Code: -1, Why: err}
	}
	return k, nil
}

// identity tells those apart as whom a session acts.
func identity(as *request.User) string {
	if as == nil {
		return ""
	}
	return as.Name + "\x00" + strings.Join(as.Groups, "\x00")
}
