// Package models holds the OpenAPI models of the built-in types, generated from
// the k8s.io modules by openapi-gen. Only generators import it: the server
// embeds what they make.
package models
