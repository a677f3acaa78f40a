package endpoints

import "bytes"

// topLevel finds the value of a field of a JSON object without decoding it. It
// is for objects that this server encoded; on anything else it says false, or
// gives a place within raw.
func topLevel(raw []byte, key string) (start, end int, ok bool) {
	i := skipSpace(raw, 0)
	if i >= len(raw) || raw[i] != '{' {
		return 0, 0, false
	}
	i++
	for {
		i = skipSpace(raw, i)
		if i >= len(raw) || raw[i] != '"' {
			return 0, 0, false
		}
		nameEnd := skipString(raw, i)
		if nameEnd < 0 {
			return 0, 0, false
		}
		name := raw[i+1 : nameEnd-1]
		i = skipSpace(raw, nameEnd)
		if i >= len(raw) || raw[i] != ':' {
			return 0, 0, false
		}
		i = skipSpace(raw, i+1)
		valueEnd := skipValue(raw, i)
		if valueEnd < 0 {
			return 0, 0, false
		}
		if string(name) == key {
			return i, valueEnd, true
		}
		i = skipSpace(raw, valueEnd)
		if i >= len(raw) || raw[i] != ',' {
			return 0, 0, false
		}
		i++
	}
}

func skipSpace(raw []byte, i int) int {
	for i < len(raw) && (raw[i] == ' ' || raw[i] == '\n' || raw[i] == '\t' || raw[i] == '\r') {
		i++
	}
	return i
}

// skipString gives the place after a string that starts at i, -1 when it
// doesn't end.
func skipString(raw []byte, i int) int {
	i++
	for i < len(raw) {
		n := bytes.IndexByte(raw[i:], '"')
		if n < 0 {
			return -1
		}
		quote := i + n
		slashes := 0
		for k := quote - 1; k >= i && raw[k] == '\\'; k-- {
			slashes++
		}
		if slashes%2 == 0 {
			return quote + 1
		}
		i = quote + 1
	}
	return -1
}

// skipValue gives the place after the value that starts at i, -1 when there is
// none.
func skipValue(raw []byte, i int) int {
	if i >= len(raw) {
		return -1
	}
	switch raw[i] {
	case '"':
		return skipString(raw, i)
	case '{', '[':
	default:
		for k := i; k < len(raw); k++ {
			switch raw[k] {
			case ',', '}', ']', ' ', '\n', '\t', '\r':
				if k == i {
					return -1
				}
				return k
			}
		}
		return -1
	}
	depth := 0
	for i < len(raw) {
		switch raw[i] {
		case '"':
			if i = skipString(raw, i); i < 0 {
				return -1
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return -1
}
