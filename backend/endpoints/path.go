package endpoints

import "strings"

// cutPath gives what follows /first in a path, and false when the path starts
// otherwise.
func cutPath(path, first string) (rest string, ok bool) {
	part, rest, ok := nextPart(path)
	return rest, ok && part == first
}

// nextPart cuts the first part of a path off; ok is false when there is none.
func nextPart(path string) (part, rest string, ok bool) {
	path = strings.TrimLeft(path, "/")
	if path == "" {
		return "", "", false
	}
	part, rest, _ = strings.Cut(path, "/")
	return part, rest, true
}
