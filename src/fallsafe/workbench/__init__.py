"""The workbench: pages for people who repair orders. Server-rendered, complete without JavaScript, live with it.

It reads through the store, acts through the flows and decides nothing: what a page shows is a pure function of a case
file, a policy set and the time (`views`, `timeline`, `actions`), drawn by templates. It is mounted beside the API by
`create_pages`.
"""
