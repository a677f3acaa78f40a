import{G as a,H as b}from"./chunk-PHFJOH3E.js";import"./chunk-3VDWHQWP.js";export{b as edit,a as insertFiles};
