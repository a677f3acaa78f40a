// Package cel owns the CEL of admission: the variables that match conditions,
// validations and mutations see (object, oldObject, request, namespaceObject,
// params, authorizer, variables) and how their expressions compile. It runs
// nothing and knows no policy. Read compiler.go first.
package cel
