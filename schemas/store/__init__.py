"""The store that hosts without a shared disk exchange files through: whole objects, one layout with the data folder."""
