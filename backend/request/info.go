package request

import "strings"

// Info is what a path and a method mean, as Kubernetes' RequestInfo: which
// verb on which resource, or a plain path.
type Info struct {
	// IsResource tells a request for an API resource from one for any other
	// path; the fields below APIPrefix are set for resources only.
	IsResource bool
	Path       string
	// Verb is get, list, watch, create, update, patch, delete or
	// deletecollection for resources, the lower-case method otherwise.
	Verb        string
	APIPrefix   string
	Group       string
	Version     string
	Namespace   string
	Resource    string
	Subresource string
	Name        string
	// Unclear tells a path that ends where its resource should be.
	Unclear bool
	// Parts are the path's parts from the resource on.
	Parts []string
	// LegacyWatch tells the old /watch/ paths.
	LegacyWatch bool
	// Fields are the terms FIELD=VALUE of a list's or watch's field selector,
	// which authorization of nodes goes by.
	Fields []FieldTerm
	// FieldSelector and LabelSelector are those of a list, watch or
	// deletecollection as the client wrote them, which authorization webhooks are
	// told.
	FieldSelector, LabelSelector string
}

// FieldTerm is one term of a field selector.
type FieldTerm struct{ Field, Value string }

var specialVerbsNoSubresources = map[string]bool{"proxy": true}

var namespaceSubresources = map[string]bool{"status": true, "finalize": true}

// ParseInfo reads the meaning of a request from its method and its decoded
// path. watch and fieldSelector are the query parameters of these names. It
// follows the rules of the Kubernetes API conventions ("verbs on resources"):
// a watch parameter makes a list a watch, metadata.name in the field selector
// names the object that a list or watch is about.
func ParseInfo(method, path string, watch bool, nameSelected string) Info {
	info := Info{Path: path, Verb: strings.ToLower(method)}
	parts := splitPath(path)
	if len(parts) < 3 || (parts[0] != "api" && parts[0] != "apis") {
		return info
	}
	info.APIPrefix = parts[0]
	rest := parts[1:]
	if parts[0] == "apis" {
		if len(rest) < 3 {
			return info
		}
		info.Group, rest = rest[0], rest[1:]
	}
	info.IsResource = true
	info.Version, rest = rest[0], rest[1:]
	info.Verb = verbOfMethod(method)
	if rest[0] == "watch" || rest[0] == "proxy" {
		if len(rest) < 2 {
			return Info{Path: path, Verb: strings.ToLower(method), Unclear: true}
		}
		info.Verb, info.LegacyWatch, rest = rest[0], rest[0] == "watch", rest[1:]
	}
	if rest[0] == "namespaces" && len(rest) > 1 {
		info.Namespace = rest[1]
		if len(rest) > 2 && !namespaceSubresources[rest[2]] {
			rest = rest[2:]
		}
	}
	info.Parts = rest
	info.Resource = rest[0]
	if len(rest) >= 2 {
		info.Name = rest[1]
	}
	if len(rest) >= 3 && !specialVerbsNoSubresources[info.Verb] {
		info.Subresource = rest[2]
	}
	if info.Name == "" {
		switch {
		case info.Verb == "get" && watch:
			info.Verb, info.Name = "watch", nameSelected
		case info.Verb == "get":
			info.Verb, info.Name = "list", nameSelected
		case info.Verb == "delete":
			info.Verb = "deletecollection"
		}
	}
	return info
}

var longRunningSubresources = map[string]bool{"attach": true, "exec": true, "log": true, "portforward": true, "proxy": true}

// BackupPath answers with a backup of everything that the server keeps.
const BackupPath = "/backup"

// LongRunning tells a request that may last as long as its client likes: a
// watch or a stream. Deadlines and the limits on requests in flight are not for
// those.
func (i *Info) LongRunning() bool {
	if !i.IsResource {
		return strings.HasPrefix(i.Path, "/debug/pprof/") || i.Path == BackupPath
	}
	return i.Verb == "watch" || i.Verb == "proxy" || longRunningSubresources[i.Subresource]
}

// Mutating tells a request that may change something.
func (i *Info) Mutating() bool {
	switch i.Verb {
	case "get", "list", "watch", "head", "options":
		return false
	}
	return true
}

func verbOfMethod(method string) string {
	switch method {
	case "POST":
		return "create"
	case "GET", "HEAD":
		return "get"
	case "PUT":
		return "update"
	case "PATCH":
		return "patch"
	case "DELETE":
		return "delete"
	}
	return ""
}

func splitPath(path string) []string {
	path = strings.Trim(path, "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}
