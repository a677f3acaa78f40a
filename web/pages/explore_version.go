package pages

import (
	"strings"

	"pilothouse/web/messages"
)

// stability is what a version's name promises, in Kubernetes' words and in what
// they mean (its deprecation policy); nothing for what is no version.
func stability(version string) (level string, meaning messages.Text) {
	switch {
	case !strings.HasPrefix(version, "v") || len(version) < 2 || version[1] < '0' || version[1] > '9':
		return "", ""
	case strings.Contains(version, "alpha"):
		return "alpha", "may change or go away in any release without notice; not for what has to last"
	case strings.Contains(version, "beta"):
		return "beta", "well tested, but a later version may differ; served for three releases or nine months after it is deprecated"
	}
	return "stable", "stays as it is; not removed before a next major version"
}
