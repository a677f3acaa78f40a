package podspec

import "strings"

// The grammar of image references is that of the registries:
//
//	reference = name [ ":" tag ] [ "@" digest ]
//	name      = [ domain "/" ] path { "/" path }
//
// A name without a domain means one of docker.io.

const (
	maxNameLength = 255
	maxTagLength  = 128
)

// tagOf gives the tag of an image reference, "latest" when it has neither a tag
// nor a digest, and nothing when the reference is malformed.
func tagOf(image string) string {
	name, digest, hasDigest := strings.Cut(image, "@")
	if hasDigest && !isDigest(digest) {
		return ""
	}
	tag := ""
	if i := strings.LastIndexByte(name, ':'); i >= 0 && !strings.Contains(name[i:], "/") {
		name, tag = name[:i], name[i+1:]
		if !isTag(tag) {
			return ""
		}
	}
	if !isName(name) || isIdentifier(image) {
		return ""
	}
	if tag == "" && !hasDigest {
		return "latest"
	}
	return tag
}

// isIdentifier tells the 64 hexadecimal digits of an image's id, which are no
// name.
func isIdentifier(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

func isName(name string) bool {
	domain, path := "docker.io", name
	if first, rest, ok := strings.Cut(name, "/"); ok && isRegistry(first) {
		domain, path = first, rest
		if !isDomain(domain) {
			return false
		}
	} else if !ok {
		path = "library/" + name
	}
	if len(domain)+1+len(path) > maxNameLength {
		return false
	}
	for part := range strings.SplitSeq(path, "/") {
		if !isPathComponent(part) {
			return false
		}
	}
	return true
}

// isRegistry tells whether the first part of a name is a registry: it has a
// dot, a port or upper-case letters, or it is localhost.
func isRegistry(s string) bool {
	return s == "localhost" || strings.ContainsAny(s, ".:") || strings.ToLower(s) != s
}

func isDomain(s string) bool {
	host, port, hasPort := s, "", false
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 2 || strings.Trim(s[1:end], "0123456789abcdefABCDEF:") != "" {
			return false
		}
		host, port = "", s[end+1:]
		if port != "" {
			hasPort = strings.HasPrefix(port, ":")
			if !hasPort {
				return false
			}
			port = port[1:]
		}
	} else {
		host, port, hasPort = strings.Cut(s, ":")
		for label := range strings.SplitSeq(host, ".") {
			if !isDomainLabel(label) {
				return false
			}
		}
	}
	return !hasPort || port != "" && strings.Trim(port, "0123456789") == ""
}

func isDomainLabel(s string) bool {
	if s == "" || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isLower(c) && !isDigit(c) && !isUpper(c) && c != '-' {
			return false
		}
	}
	return true
}

// isPathComponent wants lower-case letters and digits, with one dot, one or two
// underscores or any number of hyphens between them.
func isPathComponent(s string) bool {
	if s == "" || !isAlphanumeric(s[0]) || !isAlphanumeric(s[len(s)-1]) {
		return false
	}
	for i := 0; i < len(s); {
		if isAlphanumeric(s[i]) {
			i++
			continue
		}
		run := i
		for i < len(s) && s[i] == s[run] {
			i++
		}
		switch n := i - run; {
		case s[run] == '.' && n == 1, s[run] == '_' && n <= 2, s[run] == '-':
			if !isAlphanumeric(s[i]) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

func isTag(s string) bool {
	if s == "" || len(s) > maxTagLength || s[0] == '.' || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isLower(c) && !isUpper(c) && !isDigit(c) && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

// isDigest wants ALGORITHM:HEX with at least 32 digits, and exactly as many as
// the algorithms that are known have.
func isDigest(s string) bool {
	algorithm, hex, ok := strings.Cut(s, ":")
	if !ok || algorithm == "" || len(hex) < 32 {
		return false
	}
	digits := "0123456789abcdef"
	switch algorithm {
	case "sha256":
		ok = len(hex) == 64
	case "sha384":
		ok = len(hex) == 96
	case "sha512":
		ok = len(hex) == 128
	default:
		// The digest library refuses algorithms that it has no code for.
		return false
	}
	return ok && strings.Trim(hex, digits) == ""
}

func isLower(c byte) bool        { return 'a' <= c && c <= 'z' }
func isUpper(c byte) bool        { return 'A' <= c && c <= 'Z' }
func isDigit(c byte) bool        { return '0' <= c && c <= '9' }
func isAlphanumeric(c byte) bool { return isLower(c) || isDigit(c) }
