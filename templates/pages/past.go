package pages

import (
	"context"
	"time"

	"pilothouse/web/messages"

	"k8s.io/apimachinery/pkg/util/duration"
)

// ageText is how long ago a time is; one that is none stays as it is.
func ageText(text string) string {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return text
	}
	return duration.HumanDuration(max(time.Since(t), 0))
}

// moment is a time of RFC 3339 as lists show it, in UTC.
func moment(ctx context.Context, text string) string {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return text
	}
	return messages.From(ctx).Moment(t.UTC())
}
