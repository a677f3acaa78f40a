package pages

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"time"

	"pilothouse/web/view"
)

const (
	// plainPage is how many objects a dialog shows, and asks about, on one page where
	// there are no scripts; plainWait is for how long it asks.
	plainPage = 500
	plainWait = 30 * time.Second
	// shownBytes is what stands for one object in a dialog of all that match.
	shownBytes = 6
)

// shownOf stands for the objects that a dialog is about, so that what is deleted is
// what was shown, whatever matches by then.
func shownOf(targets []target) string {
	all := make([]byte, 0, shownBytes*len(targets))
	for _, t := range targets {
		sum := sha256.Sum256([]byte(t.uid))
		all = append(all, sum[:shownBytes]...)
	}
	return base64.RawStdEncoding.EncodeToString(all)
}

// ofShown are the objects that have been shown, and how many those were.
func ofShown(targets []target, shown string) (kept []target, n int) {
	all, err := base64.RawStdEncoding.DecodeString(shown)
	if err != nil {
		return nil, 0
	}
	set := make(map[[shownBytes]byte]bool, len(all)/shownBytes)
	for ; len(all) >= shownBytes; all = all[shownBytes:] {
		set[[shownBytes]byte(all)] = true
	}
	for _, t := range targets {
		sum := sha256.Sum256([]byte(t.uid))
		if set[[shownBytes]byte(sum[:])] {
			kept = append(kept, t)
		}
	}
	return kept, len(set)
}

// askPlain asks about all objects of a page of a dialog before it is shown: there are
// no scripts that could go on asking.
func (c *Call) askPlain(ctx context.Context, v *view.Bulk, targets []target) {
	v.From, _ = strconv.Atoi(c.Form.Get("from"))
	v.From = max(0, min(v.From, len(targets)-1)) / plainPage * plainPage
	v.To = min(v.From+plainPage, len(targets))
	asked := c.asking(targets[v.From:v.To])
	asked.first = plainPage
	ctx, cancel := context.WithTimeout(ctx, plainWait)
	defer cancel()
	asked.run(ctx, v.To-v.From)
	asked.show(v)
	v.Of, v.Page = len(targets), plainPage
}
