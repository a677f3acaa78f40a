package endpoints

import "bytes"

// topLevel finds the value of a field of a JSON object without decoding it. It
// is for objects that this server encoded; on anything else it says false, or
// gives a place within raw.
func topLevel(raw []byte, key string) (start, end int, ok bool) {
	eachPlace(raw, func(nameStart, nameEnd, valueStart, valueEnd int) bool {
		if string(raw[nameStart+1:nameEnd-1]) != key {
			return true
		}
		start, end, ok = valueStart, valueEnd, true
		return false
	})
	return start, end, ok
}

// eachField calls f for the fields of a JSON object, with its name in quotes and
// its value, until f gives false. It tells whether it came to the end of an
// object and of raw.
func eachField(raw []byte, f func(quoted, value []byte) bool) bool {
	return eachPlace(raw, func(nameStart, nameEnd, valueStart, valueEnd int) bool {
		return f(raw[nameStart:nameEnd], raw[valueStart:valueEnd])
	})
}

func eachPlace(raw []byte, f func(nameStart, nameEnd, valueStart, valueEnd int) bool) bool {
	i := skipSpace(raw, 0)
	if i >= len(raw) || raw[i] != '{' {
		return false
	}
	i = skipSpace(raw, i+1)
	if i < len(raw) && raw[i] == '}' {
		return skipSpace(raw, i+1) == len(raw)
	}
	for {
		i = skipSpace(raw, i)
		if i >= len(raw) || raw[i] != '"' {
			return false
		}
		nameStart, nameEnd := i, skipString(raw, i)
		if nameEnd < 0 {
			return false
		}
		i = skipSpace(raw, nameEnd)
		if i >= len(raw) || raw[i] != ':' {
			return false
		}
		i = skipSpace(raw, i+1)
		valueEnd := skipValue(raw, i)
		if valueEnd < 0 || !f(nameStart, nameEnd, i, valueEnd) {
			return false
		}
		i = skipSpace(raw, valueEnd)
		if i < len(raw) && raw[i] == '}' {
			return skipSpace(raw, i+1) == len(raw)
		}
		if i >= len(raw) || raw[i] != ',' {
			return false
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
