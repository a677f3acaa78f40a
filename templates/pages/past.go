package pages

import (
	"context"
	"time"

	"pilothouse/web/messages"
)

// moment is a time of RFC 3339 as lists show it, in UTC.
func moment(ctx context.Context, text string) string {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return text
	}
	return messages.From(ctx).Moment(t.UTC())
}
