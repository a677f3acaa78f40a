package storage

// Keys are GROUP/RESOURCE/NAMESPACE/NAME, or GROUP/RESOURCE/NAME for what is
// cluster-scoped, with "core" for the empty group: no group of a custom
// resource can have that name, since those have a dot. Byte order of keys is
// the order in which Kubernetes lists objects.

// Prefix is the part of a key that all objects of a resource share.
func Prefix(group, resource string) string {
	if group == "" {
		group = "core"
	}
	return group + "/" + resource + "/"
}

// Key is the key of an object under a prefix; namespace is empty for what is
// cluster-scoped.
func Key(prefix, namespace, name string) string {
	if namespace == "" {
		return prefix + name
	}
	return prefix + namespace + "/" + name
}

// PrefixEnd is the first key after all that start with prefix.
func PrefixEnd(prefix string) string {
	b := []byte(prefix)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < 0xff {
			b[i]++
			return string(b[:i+1])
		}
	}
	return ""
}
