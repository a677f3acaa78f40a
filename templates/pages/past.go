package pages

import "time"

// moment is a time of RFC 3339 as lists show it, in UTC.
func moment(text string) string {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return text
	}
	return t.UTC().Format("2 Jan 15:04:05")
}
