#!/usr/bin/env node
const x: string = process.version;
console.log("hello", x, process.argv.slice(2));
