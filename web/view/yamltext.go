package view

import "strings"

// YAMLLines cuts YAML into lines with their parts told apart, enough to read it
// by colour. It knows what sigs.k8s.io/yaml writes, not all of YAML.
func YAMLLines(text string) []Line {
	text = strings.TrimSuffix(text, "\n")
	if text == "" {
		return nil
	}
	var lines []Line
	block := -1 // the indentation of the key whose block text follows, -1 for none
	for i, raw := range strings.Split(text, "\n") {
		l := Line{Number: i + 1}
		indent := len(raw) - len(strings.TrimLeft(raw, " "))
		switch {
		case block >= 0 && (indent > block || strings.TrimSpace(raw) == ""):
			if raw != "" {
				l.Parts = []Part{{Class: "s", Text: raw}}
			}
		default:
			block = -1
			var opens bool
			l.Parts, opens = yamlParts(raw, indent)
			if opens {
				block = indent
			}
		}
		lines = append(lines, l)
	}
	return lines
}

func yamlParts(raw string, indent int) (parts []Part, opens bool) {
	add := func(class, text string) {
		if text != "" {
			parts = append(parts, Part{Class: class, Text: text})
		}
	}
	rest := raw[indent:]
	lead := raw[:indent]
	for strings.HasPrefix(rest, "- ") {
		lead += "- "
		rest = rest[2:]
	}
	add("", lead)
	if strings.HasPrefix(rest, "#") {
		add("c", rest)
		return parts, false
	}
	if key, value, ok := cutKey(rest); ok {
		add("k", key)
		add("", ":")
		if len(rest) > len(key)+1 {
			add("", " ")
			add(scalarClass(value), value)
		}
		return parts, strings.HasPrefix(value, "|") || strings.HasPrefix(value, ">")
	}
	add(scalarClass(rest), rest)
	return parts, strings.HasPrefix(rest, "|") || strings.HasPrefix(rest, ">")
}

// cutKey cuts "key: value" and "key:".
func cutKey(s string) (key, value string, ok bool) {
	if s == "" || s[0] == '\'' || s[0] == '"' {
		if len(s) < 2 {
			return "", "", false
		}
		end := strings.IndexByte(s[1:], s[0])
		if end < 0 {
			return "", "", false
		}
		key, s = s[:end+2], s[end+2:]
		if s == ":" {
			return key, "", true
		}
		if strings.HasPrefix(s, ": ") {
			return key, s[2:], true
		}
		return "", "", false
	}
	if strings.HasSuffix(s, ":") && !strings.Contains(s, ": ") {
		return s[:len(s)-1], "", true
	}
	return strings.Cut(s, ": ")
}

func scalarClass(v string) string {
	switch v {
	case "true", "false", "null":
		return "b"
	case "{}", "[]", "-":
		return ""
	}
	dots := 0
	for i := range len(v) {
		switch c := v[i]; {
		case c >= '0' && c <= '9', c == '-' && i == 0 && len(v) > 1:
		case c == '.' && dots == 0 && i > 0:
			dots++
		default:
			return "s"
		}
	}
	return "n"
}
