// Package cel owns the CEL of admission: the variables that match conditions,
// validations and mutations see (object, oldObject, request, namespaceObject,
// params, authorizer, variables), how their expressions compile, and what running
// them costs and gives. It knows no policy. Read compiler.go first, then values.go
// and evaluate.go.
package cel
